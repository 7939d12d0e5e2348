/**
 * `everband/core`: the algorithms without Temporal, for Node and the browser. Nothing here does I/O, reads a clock or
 * draws from Math.random: a study, its seed and the results it is told decide everything, to the byte.
 *
 * - Bring your own loop: {@link createStudy} (ask and tell).
 * - Bring a function that trains: {@link runInMemory} with {@link createSampler} and {@link predict}.
 * - Check a record: {@link audit}.
 *
 * docs/core.md shows how; docs/algorithms/ has a page for each algorithm.
 * @module
 */
export { createStudy, AskTell, type AskTellEvent, type Failed, type Job, type StudyOptions } from './ask-tell.js';
export { audit, type Finding } from './audit.js';
export { defineStudy, type ParameterInput, type StudyInput } from './define-study.js';

export { runInMemory, type InMemoryEffects } from './in-memory.js';
export { createSampler, type Proposer } from './sampler.js';
export type { Curve, EpochNumbers, Numbers } from './curve.js';
export type { Observation } from './engine/memory.js';
export type { Proposal, ProposalRequest } from './engine/propose.js';
export { predict } from './predictors/predict.js';
export type { PredictionAnswer, PredictionRequest, TrainingSet } from './predictors/request.js';

export { planOf } from './study.js';
export type { BracketPlan, RoundPlan, StudyPlan } from './engine/plan.js';
export { checkConfig } from './space.js';

export { canonicalJson } from './record.js';
export type * from './record.js';
export type * from './study.js';
export type { Fate, NonFinite, SegmentOutcome, Source, Trial } from './trial.js';
