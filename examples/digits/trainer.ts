/** Trains the digits network one epoch at a time; reports validation accuracy with a checkpoint. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TrainContext } from '../../trainers/contract.js';
import { loadDigits } from './data.js';
import { Network, type Settings } from './network.js';

const digits = loadDigits();

export async function train({
  config,
  seed,
  from,
  to,
  checkpoint,
  checkpointDir,
  report,
}: TrainContext): Promise<void> {
  const network = new Network(config as unknown as Settings, seed);
  if (checkpoint !== null) network.restore(readFileSync(checkpoint));
  for (let epoch = from + 1; epoch <= to; epoch++) {
    const loss = network.trainEpoch(digits.train, epoch);
    const validation = network.evaluate(digits.validation);
    const name = `epoch-${epoch}.bin`;
    writeFileSync(path.join(checkpointDir, name), network.save());
    // A network whose loss is no number has diverged, whatever its guesses are worth. The last step of an epoch shows
    // only in the validation loss.
    const diverged = !Number.isFinite(loss) || !Number.isFinite(validation.loss);
    await report(diverged ? { accuracy: NaN, loss: NaN } : { accuracy: validation.accuracy, loss }, name);
  }
}
