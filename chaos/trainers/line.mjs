// A trainer as a program that speaks the line protocol. It takes one request and never says that it takes more.
import readline from 'node:readline';
import { nextEpoch, stateOf } from './epoch.mjs';

let stopping = false;
process.on('SIGTERM', () => (stopping = true));

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { value: line, done } = await lines.next();
if (!done) {
  const request = JSON.parse(line);
  let state = stateOf(request.checkpoint, request.from);
  while (state.epoch < request.to && !stopping) {
    const { state: next, value, name } = await nextEpoch(state, request);
    state = next;
    const loss = Number.isNaN(value) ? 'NaN' : JSON.stringify(value);
    process.stdout.write(`{"epoch":${state.epoch},"loss":${loss},"checkpoint":"${name}"}\n`);
    if (Number.isNaN(value)) break;
  }
  // It ends when nothing more is asked of it, which the worker tells by closing its input.
  if (!stopping) await lines.next();
}
process.exit(0);
