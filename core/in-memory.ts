/** A study run in this process: what Temporal must reproduce to the byte. Time passes as the effects let it. */
import { assembleRecord, type BracketMaterial } from './assemble.js';
import { ashaMaterial } from './asha-rounds.js';
import { better, runBracket, type Best, type BracketInput } from './bracket.js';
import { emptyMemory } from './memory.js';
import type { BracketPlan, RoundPlan } from './plan.js';
import type { PredictionAnswer, PredictionRequest } from './predictor.js';
import { mergeProposals, type Proposal, type ProposalRequest } from './propose.js';
import type { StudyRecord } from './record.js';
import { runRound, type RoundResult } from './round.js';
import { ashaBlock, AshaRun, type AshaCompletion } from './run-asha.js';
import { runStudy, type BracketSummary } from './run-study.js';
import type { Study } from './study.js';
import type { SegmentOutcome, Trial } from './trial.js';

export interface InMemoryEffects {
  propose(request: ProposalRequest): Proposal;
  /** `round`: where in the plan the epochs belong. */
  train(trial: Trial, from: number, to: number, round: RoundPlan): SegmentOutcome | Promise<SegmentOutcome>;
  predict(request: PredictionRequest): PredictionAnswer | Promise<PredictionAnswer>;
  /** Called when a round has closed; for those who follow a run. */
  closed?(result: RoundResult): void;
}

export async function runInMemory(study: Study, effects: InMemoryEffects): Promise<StudyRecord> {
  const material: BracketMaterial[] = [];
  const standing = await runStudy(study, {
    runBracket: (input) => {
      const bracket = new InMemoryBracket(study, input, effects);
      return study.scheduler.type === 'asha' ? bracket.asha(material) : bracket.synchronous(material);
    },
  });
  return assembleRecord(study, material, standing.ended);
}

class InMemoryBracket {
  private readonly proposals: Proposal[] = [];
  private readonly trials = new Map<string, Trial>();
  private readonly plan: BracketPlan;

  constructor(
    private readonly study: Study,
    private readonly input: BracketInput,
    private readonly effects: InMemoryEffects
  ) {
    this.plan = input.plan;
  }

  async synchronous(material: BracketMaterial[]): Promise<BracketSummary> {
    const { effects, plan } = this;
    if (this.study.sampler.type !== 'tpe') this.propose({ first: 0, count: plan.trials });
    const result = await runBracket(this.input, {
      runRound: async (round) => {
        const closed = await runRound(round, {
          train: async ({ id }, from, to) => effects.train(this.trial(id), from, to, round.plan),
          predict: async (request) => effects.predict(request),
          propose: async (first, count, observations) => this.propose({ first, count, observations }),
        });
        effects.closed?.(closed);
        return closed;
      },
    });
    material.push({ id: plan.id, proposal: mergeProposals(this.proposals), rounds: result.rounds });
    return result;
  }

  async asha(material: BracketMaterial[]): Promise<BracketSummary> {
    const { effects, plan, study } = this;
    const order: string[] = [];
    const completions: AshaCompletion[] = [];
    let halted = false;
    const run = new AshaRun(
      study,
      {
        slots: () => study.parallelism,
        propose: async (index, observations) => {
          const { first, count } = ashaBlock(study, index);
          if (index === first) this.propose({ first, count, observations });
        },
        train: async ({ id }, round, from, to) => {
          const outcome = await effects.train(this.trial(id), from, to, round);
          return halted ? { outcome: 'unfinished', values: [] } : outcome;
        },
        predict: async (request) => effects.predict(request),
        happened: (event) => void order.push(event),
        closed: (completion) => void completions.push(completion),
        halt: () => void (halted = true),
      },
      null
    );
    const { state, ended, unfinished } = await run.run();
    completions.push(...unfinished);
    const own = ashaMaterial(plan, study.objective, this.proposals, [{ order, completions, standing: state }]);
    material.push(own);
    const bests = own.rounds.flatMap(({ record }): Best[] => {
      const [first] = record.ranking;
      return first ? [{ ...first, budget: record.to }] : [];
    });
    const best = bests.reduce<Best | null>((a, b) => better(study.objective, a, b), null);
    return {
      memory: emptyMemory,
      epochs: state.epochs,
      best,
      ended: ended === 'finished' ? null : (ended ?? 'stopped'),
    };
  }

  private propose(request: Omit<ProposalRequest, 'bracket' | 'offset'>): void {
    const { id: bracket, offset } = this.plan;
    const proposal = this.effects.propose({ ...request, bracket, offset });
    this.proposals.push(proposal);
    for (const trial of proposal.trials) this.trials.set(trial.id, trial);
  }

  private trial(id: string): Trial {
    const trial = this.trials.get(id);
    if (!trial) throw new RangeError(`trial ${id} was not proposed`);
    return trial;
  }
}
