/** The main job on one machine: server, one worker process per role, a study on real images, and what it found. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { WorkflowNotFoundError } from '@temporalio/client';
import { listRecords } from '../activities/record-store.js';
import { imagesFolder } from '../examples/digits/images.js';
import { checkpointOf } from '../trainers/checkpoints.js';
import { taskQueues, workflowIds } from '../workflows/messages.js';
import type { Role } from '../workers/main.js';
import { startStudy, writeReport } from './api.js';
import { webUi, withClient } from '../cluster/connect.js';
import { installImages } from './images.js';
import { planTable } from './plan-table.js';
import { missingPollers } from './pollers.js';
import { startServer } from '../cluster/server.js';
import { stateDir } from '../cluster/state.js';
import { watch } from './watch.js';

const roles = Object.keys(taskQueues) as Role[];
const folder = fileURLToPath(new URL('../examples/digits/', import.meta.url));

export async function runDemo(): Promise<void> {
  const dir = stateDir();
  if (imagesFolder() === null) await installImages((line) => console.log(line));
  const server = await startServer(dir, (line) => console.log(line));
  const workers = roles.map((role) => startWorker(role));
  const end = () => workers.forEach((worker) => worker.kill('SIGTERM'));
  let running: string | null = null;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      end();
      if (running) console.error(`\nleft; ${running} goes on with: everband worker, then everband watch ${running}`);
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }
  try {
    await polled(workers);
    console.log(`workers: ${roles.map((role, i) => `${role} (pid ${workers[i]?.pid})`).join(', ')}`);
    const study = await startStudy(demoStudy(await freshName(dir)), (line) => console.log(line));
    running = study.name;
    console.log(`\n${planTable(study)}\n`);
    const page = await webUi(workflowIds.study(study.name));
    if (page) console.log(`Web UI: ${page}\n`);
    const result = await watch(study.name, false);
    running = null;
    const best = checkpointOf(dir, study.name, result.best?.trial ?? '');
    const report = writeReport(study.name, path.join(dir, 'studies', study.name, 'report.html'));
    console.log(`report: ${report}`);
    if (best) console.log(`best checkpoint: ${best.path}`);
    if (server.pid !== null)
      console.log(`the server keeps running for the Web UI (${server.uiUrl}); stop it with: npx everband server stop`);
  } finally {
    end();
    await Promise.all(workers.map(exited));
  }
}

/** The example's study file under a name of its own, with the trainer as built. */
function demoStudy(name: string): object {
  const study = parse(readFileSync(path.join(folder, 'study.yaml'), 'utf8')) as object;
  return { ...study, name, trainer: { module: path.join(folder, 'trainer.js') } };
}

/** `digits-1`, or the next one that neither the records nor the server know. */
async function freshName(dir: string): Promise<string> {
  const recorded = new Set(listRecords(dir));
  return withClient(async (client) => {
    for (let n = 1; ; n++) {
      const name = `digits-${n}`;
      if (recorded.has(name)) continue;
      const known = await client.workflow
        .getHandle(workflowIds.study(name))
        .describe()
        .catch((error: unknown) => {
          if (error instanceof WorkflowNotFoundError) return null;
          throw error;
        });
      if (!known) return name;
    }
  });
}

function startWorker(role: string): ChildProcess {
  const command = fileURLToPath(new URL('./everband.js', import.meta.url));
  return spawn(process.execPath, [command, 'worker', role, '--slots', '2'], { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function polled(workers: readonly ChildProcess[]): Promise<void> {
  for (;;) {
    const dead = workers.findIndex((worker) => worker.exitCode !== null);
    if (dead !== -1) throw new Error(`the ${roles[dead]} worker ended with ${workers[dead]?.exitCode}`);
    if ((await missingPollers(Object.values(taskQueues))).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function exited(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  await new Promise((resolve) => worker.once('exit', resolve));
}
