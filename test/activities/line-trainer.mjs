/** A trainer that speaks the line protocol and misbehaves as its configuration says. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

let stopping = false;
process.on('SIGTERM', () => (stopping = true));

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const { from, to, checkpoint, checkpointDir, config } = request;
  const { at = 0, mode = '', pause = 0, save = true } = config;
  if (config.journal) appendFileSync(config.journal, `${process.pid} ${from} ${to}\n`);
  let state = checkpoint ? Number(readFileSync(checkpoint, 'utf8')) : 0;
  console.log(`training from ${from}`);
  for (let epoch = from + 1; epoch <= to; epoch++) {
    if (pause) await sleep(pause);
    state += epoch;
    if (epoch === at) {
      if (mode === 'nan') console.log(`{"epoch":${epoch},"loss":NaN}`);
      if (mode === 'malformed') console.log('{"epoch":2,"lo');
      if (mode === 'skip') console.log(`{"epoch":${epoch + 1},"loss":1}`);
      if (mode === 'missing') console.log(`{"epoch":${epoch},"accuracy":1}`);
      if (mode === 'error') console.log('{"error":"no data"}');
      if (mode === 'oom') console.log('{"error":"CUDA out of memory","kind":"oom"}');
      if (mode === 'killed') process.kill(process.pid, 'SIGKILL');
      if (mode === 'crash') {
        console.error('Traceback: boom');
        process.exit(3);
      }
      if (mode === 'hang') await sleep(1e6);
    }
    const name = `e${epoch}`;
    if (save) writeFileSync(`${checkpointDir}/${name}`, String(state));
    const line = JSON.stringify({ epoch, loss: state, ...(save ? { checkpoint: name } : {}) });
    // Numbers that are no JSON, as Python writes them.
    console.log(config.more ? line.replace(/\}$/, `,${config.more}}`) : line);
    if (stopping) process.exit(0);
  }
  if (config.once) process.exit(0);
  console.log('{"ready":true}');
}
