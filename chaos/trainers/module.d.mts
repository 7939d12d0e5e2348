import type { TrainContext } from '../../trainers/contract.js';

export function train(context: TrainContext): Promise<void>;
