/** The child process that runs a module trainer: `node module-runner.js <module>`, speaking the line protocol. */
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { StopTraining, type Train, type TrainContext } from './contract.js';
import { formatEpoch, type TrainRequest } from './protocol.js';

const emit = process.stdout.write.bind(process.stdout);
// Whatever the module prints is its log and must never look like the protocol.
process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;

let stopping = false;
let training = false;

process.on('SIGTERM', () => {
  stopping = true;
  if (!training) process.exit(0);
});

async function main(): Promise<void> {
  const file = process.argv[2];
  if (file === undefined) throw new Error('usage: module-runner <module>');
  const train = await loadTrain(file);
  for await (const line of createInterface({ input: process.stdin })) {
    training = true;
    const finished = await runRequest(train, JSON.parse(line) as TrainRequest);
    training = false;
    if (stopping || !finished) break;
    emit('{"ready":true}\n');
  }
}

async function loadTrain(file: string): Promise<Train> {
  const url = pathToFileURL(file).href;
  const typed = /\.[cm]?tsx?$/.test(file) && !process.execArgv.includes('--import');
  // tsx's own import, not its hooks: those fail in a folder whose package.json does not say `"type": "module"`.
  const module = (await (typed ? (await import('tsx/esm/api')).tsImport(url, import.meta.url) : import(url))) as {
    train?: unknown;
    default?: { train?: unknown };
  };
  const train = module.train ?? module.default?.train;
  if (typeof train !== 'function') throw new Error(`${file} must export a function "train"`);
  return train as Train;
}

/** True when this process may take another request. */
async function runRequest(train: Train, request: TrainRequest): Promise<boolean> {
  const { metric, from, to } = request;
  let epoch = from;
  let diverged = false;
  const context: TrainContext = {
    config: request.config,
    seed: request.seed,
    trial: request.trial,
    from,
    to,
    checkpoint: request.checkpoint,
    checkpointDir: request.checkpointDir,
    async report(values, checkpoint) {
      if (diverged || epoch >= to) throw new StopTraining(diverged ? 'it diverged' : 'every epoch is done');
      epoch++;
      const value = values[metric];
      emit(formatEpoch(epoch, values, checkpoint) + '\n');
      diverged = value !== undefined && !Number.isFinite(value);
      if (diverged) throw new StopTraining('it diverged');
      // Signals arrive between turns of the event loop; a module that never waits would not hear them.
      await setImmediate();
      if (stopping) throw new StopTraining('the worker wants its slot back');
    },
    get stopping() {
      return stopping;
    },
    log(...parts) {
      process.stderr.write(format(...parts) + '\n');
    },
  };
  try {
    await train(context);
  } catch (error) {
    if (!(error instanceof Error && error.name === 'StopTraining')) throw error;
  }
  if (epoch < to && !diverged && !stopping) {
    throw new Error(`train returned after epoch ${epoch}, asked for epochs ${from + 1} to ${to}`);
  }
  return !stopping;
}

main().then(
  // A module may have left timers behind; the exchange is over.
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(format(error) + '\n');
    emit(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }) + '\n', () =>
      process.exit(1)
    );
  }
);
