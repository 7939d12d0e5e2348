/**
 * `everband/core`: the algorithms without Temporal, for Node and the browser. Nothing here does I/O, reads a clock or
 * draws from Math.random: a study, its seed and the results it is told decide everything, to the byte.
 *
 * - Bring your own loop: {@link createStudy} (ask and tell).
 * - Bring a function that trains: {@link runInMemory} with {@link createSampler} and {@link predict}.
 * - Bring your own scheduler's loop: {@link Asha}, the state machine of asynchronous successive halving.
 *
 * docs/core.md shows how; docs/algorithms/ has a page for each algorithm.
 * @module
 */
export { createStudy, AskTell, type Failed, type Job, type StudyOptions, type Told } from './ask-tell.js';
export {
  defineStudy,
  type ParameterSettings,
  type PredictorSettings,
  type SamplerSettings,
  type SchedulerSettings,
  type StudySettings,
} from './define-study.js';

export { runInMemory, type InMemoryEffects } from './in-memory.js';
export { createSampler, type Sampler as Proposer } from './sampler.js';
export type { Observation, Proposal, ProposalRequest } from './propose.js';
export { predict } from './predictors/predict.js';
export type { PredictionAnswer, PredictionRequest, TrainingSet } from './predictor.js';

export { planStudy, type BracketPlan, type RoundPlan, type StudyPlan } from './plan.js';
export { Asha, type AshaJob, type AshaState } from './asha.js';
export { checkConfig } from './space.js';

export { canonicalJson } from './record.js';
export type * from './record.js';
export type * from './study.js';
export type { Fate, NonFinite, SegmentOutcome, Trial } from './trial.js';
export type { RoundResult } from './round.js';
