/** A study run in this process, one thing after the other: what Temporal must reproduce to the byte. */
import { assembleRecord, type BracketMaterial } from './assemble.js';
import { runBracket } from './bracket.js';
import type { PredictionAnswer, PredictionRequest } from './predictor.js';
import type { Proposal, ProposalRequest } from './propose.js';
import type { StudyRecord } from './record.js';
import { runRound } from './round.js';
import { runStudy } from './run-study.js';
import type { Study } from './study.js';
import type { SegmentOutcome, Trial } from './trial.js';

export interface InMemoryEffects {
  propose(request: ProposalRequest): Proposal;
  train(trial: Trial, from: number, to: number): SegmentOutcome | Promise<SegmentOutcome>;
  predict(request: PredictionRequest): PredictionAnswer;
}

export async function runInMemory(study: Study, effects: InMemoryEffects): Promise<StudyRecord> {
  const material: BracketMaterial[] = [];
  const standing = await runStudy(study, {
    async runBracket(input) {
      const { id, offset, trials: count } = input.plan;
      const proposal = effects.propose({ bracket: id, offset, count });
      const trials = new Map(proposal.trials.map((trial) => [trial.id, trial]));
      const result = await runBracket(
        { ...input, trials: proposal.trials.map(({ id, index }) => ({ id, index })) },
        {
          runRound: (round) =>
            runRound(round, {
              train: async (contender, from, to) => effects.train(trials.get(contender.id) as Trial, from, to),
              predict: async (request) => effects.predict(request),
            }),
        }
      );
      material.push({ id, proposal, rounds: result.rounds });
      return result;
    },
  });
  return assembleRecord(study, material, standing.ended);
}
