/** What the workflows ask of the activities, side by side; `activities/` implements it. */
import type { AshaPart } from '../core/asha-rounds.js';
import type { PredictionAnswer, PredictionRequest } from '../core/predictor.js';
import type { QuboAnswer, QuboRequest } from '../core/predictors/annealer/wire.js';
import type { Proposal, ProposalRequest } from '../core/propose.js';
import type { RoundResult } from '../core/round.js';
import type { StudyResult } from '../core/record.js';
import type { Study } from '../core/study.js';

/** Local activities of the orchestrating worker. */
export interface RecordActivities {
  /** Checks a study file or study and fills in its defaults; throws a non-retryable `InvalidStudy`. */
  prepareStudy(input: unknown): Promise<Study>;
  propose(study: Study, request: ProposalRequest): Promise<Proposal>;
  recordRound(study: string, result: RoundResult): Promise<void>;
  /** Writes a part of an ASHA study's record; `first`: events in the parts before. */
  recordAsha(study: string, bracket: string, first: number, part: AshaPart): Promise<void>;
  /** Writes the final record, removes checkpoints that are out, and gives the result. */
  recordStudy(study: Study, ended: StudyResult['ended']): Promise<StudyResult>;
}

export interface PredictActivities {
  predict(request: PredictionRequest): Promise<PredictionAnswer>;
  /** The annealer's QUBO, for a solver elsewhere. */
  formulate(study: string, request: PredictionRequest): Promise<QuboRequest | { readonly impossible: string }>;
  /** Answers with the stand-in of an annealer whose solver failed. */
  standIn(request: PredictionRequest, why: string): Promise<PredictionAnswer>;
}

/** The Python worker on D-Wave's Ocean SDK (python/everband/qubo.py). */
export interface QuboActivities {
  sampleQubo(request: QuboRequest): Promise<QuboAnswer>;
}
