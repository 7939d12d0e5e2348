/** Draws the trials that a group asks for, as many at once as fit into a message. */
import type { Proposal } from '../core/engine/propose.js';
import type { ProposeTask } from '../core/engine/work.js';
import type { Study } from '../core/study.js';
import { fileNames } from './file-names.js';
import type { Local } from './local.js';
import type { SealedIdentity } from './messages.js';
import type { RecordFiles } from './record-files.js';
import type { TaskBudget } from './task-budget.js';

export interface Drawing {
  readonly study: Study;
  readonly identity: SealedIdentity;
  readonly local: Local;
  readonly files: RecordFiles;
  readonly budget: TaskBudget;
}

export async function drawTrials(
  { study, identity, local, files, budget }: Drawing,
  { bracket, offset, first, count, observations }: ProposeTask
): Promise<Proposal> {
  let all: Proposal = { trials: [], duplicatesAvoided: 0, duplicatesKept: 0 };
  while (all.trials.length < count) {
    const place = { bracket, offset, first: first + all.trials.length, count: count - all.trials.length };
    const request = { ...place, ...(observations ? { observations } : {}) };
    let tries = 0;
    all = await local.run(async (activities) => {
      // A sampler that learns needs what was drawn before. What this run drew, nobody can ask it for while it waits here.
      const own = tries++ === 0 ? {} : files.textsOf(fileNames.isProposal);
      const proposal = await activities.propose(study, identity, request, own);
      const text = files.note(fileNames.proposal(bracket, request.first), proposal);
      await budget.spend(text.length);
      return {
        trials: [...all.trials, ...proposal.trials],
        duplicatesAvoided: all.duplicatesAvoided + proposal.duplicatesAvoided,
        duplicatesKept: all.duplicatesKept + proposal.duplicatesKept,
      };
    });
  }
  return all;
}
