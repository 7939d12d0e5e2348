/** Local activities of the orchestrating worker: check, propose, record. All idempotent. */
import { ApplicationFailure } from '@temporalio/common';
import { canonicalJson } from '../core/record.js';
import type { Proposal, ProposalRequest } from '../core/propose.js';
import { createSampler, type Sampler } from '../core/sampler.js';
import type { Config, Study } from '../core/study.js';
import { formatProblems } from '../study/load.js';
import { parseStudy } from '../study/parse.js';
import { removeCheckpoints } from '../trainers/checkpoints.js';
import { readTable } from '../trainers/replay.js';
import type { RecordActivities } from '../workflows/activity-types.js';
import { failureTypes } from '../workflows/messages.js';
import {
  readProposal,
  readProposed,
  readStudy,
  writeAshaPart,
  writeProposal,
  writeResult,
  writeRound,
  writeStudy,
} from './record-store.js';

export function createRecordActivities({ stateDir }: { stateDir: string }): RecordActivities {
  let kept: { study: string; sampler: Sampler; drawn: Config[] } | null = null;

  /** One sampler is kept: it remembers what earlier brackets drew. TPE's draws before `start` come out of the record. */
  function draw(study: Study, request: ProposalRequest): Proposal {
    const key = JSON.stringify(study);
    const start = request.offset + (request.first ?? 0);
    const learns = study.sampler.type === 'tpe';
    if (kept?.study !== key || (learns && kept.drawn.length !== start)) {
      const table = study.trainer.type === 'replay' ? readTable(study.trainer).rows : null;
      const drawn = learns ? readProposed(stateDir, study.name, start) : [];
      const configs = drawn.map(({ config }) => config);
      kept = { study: key, sampler: createSampler(study, table, configs), drawn: configs };
    }
    const proposal = kept.sampler.propose(request);
    kept.drawn.push(...proposal.trials.map(({ config }) => config));
    return proposal;
  }

  return {
    async prepareStudy(input) {
      const parsed = parseStudy(input, { baseDir: process.cwd(), checkFiles: false });
      if (!parsed.ok) {
        const message = formatProblems(parsed.problems, 'workflow input');
        throw ApplicationFailure.nonRetryable(message, failureTypes.invalidStudy, parsed.problems);
      }
      const before = readStudy(stateDir, parsed.study.name);
      if (before && canonicalJson(before) !== canonicalJson(parsed.study)) {
        const message = `there is a record of another study named ${before.name}: take another name, or delete that one`;
        throw ApplicationFailure.nonRetryable(message, failureTypes.invalidStudy);
      }
      await writeStudy(stateDir, parsed.study);
      return parsed.study;
    },

    async propose(study, request) {
      // What was proposed once stays, also where a sampler would draw otherwise by now.
      const known = readProposal(stateDir, study, request);
      if (known) return known;
      const proposal = draw(study, request);
      await writeProposal(stateDir, study, request, proposal);
      return proposal;
    },

    async recordRound(study, result) {
      await writeRound(stateDir, study, result);
      const promoted = new Set(result.record.promoted);
      // The last round's trials keep theirs until the study knows its best.
      if (promoted.size === 0) return;
      const out = result.record.trials.filter((trial) => !promoted.has(trial));
      await removeCheckpoints(stateDir, study, out);
    },

    async recordAsha(study, bracket, first, part) {
      await writeAshaPart(stateDir, study, bracket, first, part);
      const out = part.completions.filter(({ outcome }) => outcome.end !== 'rung').map(({ outcome }) => outcome.id);
      await removeCheckpoints(stateDir, study, out);
    },

    async recordStudy(study, ended) {
      const record = await writeResult(stateDir, study, ended);
      const best = record.result.best?.trial;
      const out = record.trials.filter((trial) => trial.id !== best).map((trial) => trial.id);
      await removeCheckpoints(stateDir, study.name, out);
      return record.result;
    },
  };
}
