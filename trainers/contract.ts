/**
 * What a JavaScript or TypeScript trainer implements.
 *
 * ```ts
 * import type { TrainContext } from 'everband/trainer';
 *
 * export async function train({ config, from, to, report }: TrainContext): Promise<void> {
 *   for (let epoch = from + 1; epoch <= to; epoch++) await report({ loss: 1 / epoch });
 * }
 * ```
 */
import type { Config } from '../core/study.js';

/** What a trainer is given for one request. Methods may be taken out of the object. */
export interface TrainContext {
  readonly config: Config;
  /** 32-bit unsigned; the same trial always gets the same. */
  readonly seed: number;
  /** The trial's id. */
  readonly trial: string;
  /** Epochs already trained: what `checkpoint` holds, 0 without one. */
  readonly from: number;
  /** The last epoch to train. */
  readonly to: number;
  /** Absolute path of the checkpoint to resume from, or null: start from nothing. */
  readonly checkpoint: string | null;
  /** Absolute folder for checkpoints, of this attempt alone. */
  readonly checkpointDir: string;
  /**
   * Ends an epoch, the next one after `from` or after the last report. `checkpoint` names a file or folder written
   * into `checkpointDir` that holds the state after this epoch; every checkpoint needs a name of its own.
   *
   * @throws {StopTraining} when there is nothing more to train; let it pass.
   */
  report(values: Record<string, number>, checkpoint?: string): Promise<void>;
  /** The worker wants its slot back: `report` ends training after the current epoch. */
  readonly stopping: boolean;
  /** Writes a line to the trial's log, like `console.log`. */
  log(...parts: unknown[]): void;
}

/** The function a trainer module exports as `train`. Returns once epoch `to` has been reported. */
export type Train = (context: TrainContext) => Promise<void> | void;

/** Thrown by `report` when training ends here: told to stop, diverged, or every epoch done. Not an error. */
export class StopTraining extends Error {
  override readonly name = 'StopTraining';

  constructor(why: string) {
    super(`training ends here: ${why}`);
  }
}
