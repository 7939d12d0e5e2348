export interface ChaosConfig {
  readonly x: number;
  readonly divergesAbove: number;
  readonly failing: 'no' | 'once' | 'always';
  readonly luck: number;
}
export function nextLoss(loss: number, config: ChaosConfig, seed: number, epoch: number): number;
/** Whether the loss of an epoch is NaN. */
export function diverges(config: ChaosConfig, epoch: number): boolean;
/** Whether the trainer fails in an epoch: `once`, the first time that it comes there, or `always`. */
export function failsAt(config: ChaosConfig, epoch: number): boolean;
