// An epoch of a trainer in JavaScript: it takes its time, is noted in the journal and leaves a checkpoint.
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { diverges, failsAt, nextLoss } from './loss.mjs';

const seal = ({ epoch, loss }) => createHash('sha256').update(`${epoch} ${loss}`).digest('hex');

/** What a checkpoint holds; a trainer that trained on from a damaged one would report something else. */
export function stateOf(checkpoint, from) {
  if (checkpoint === null) return { epoch: 0, loss: 1 };
  const state = JSON.parse(readFileSync(checkpoint, 'utf8'));
  if (state.seal !== seal(state)) throw new Error('the checkpoint is damaged');
  if (state.epoch !== from) throw new Error(`checkpoint of epoch ${state.epoch} given for ${from}`);
  return state;
}

/** Trains the epoch after `state`; gives the new state, what to report and the name of the checkpoint. */
export async function nextEpoch(state, { config, seed, trial, checkpointDir }) {
  const epoch = state.epoch + 1;
  await new Promise((resolve) => setTimeout(resolve, config.ms));
  if (failsAt(config, epoch)) {
    const marker = `${config.journal}.${trial}`;
    const before = existsSync(marker);
    writeFileSync(marker, '');
    if (config.failing === 'always' || !before) throw new Error('bad luck');
  }
  const loss = nextLoss(state.loss, config, seed, epoch);
  const line = { trial, epoch, x: config.x, before: state.loss, after: loss, pid: process.pid };
  appendFileSync(config.journal, JSON.stringify(line) + '\n');
  const next = { epoch, loss };
  const name = `epoch-${epoch}.json`;
  writeFileSync(path.join(checkpointDir, name), JSON.stringify({ ...next, seal: seal(next) }));
  return { state: next, value: diverges(config, epoch) ? NaN : loss, name };
}
