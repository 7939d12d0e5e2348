/**
 * The main job on one machine: server, one worker process per role, a study on real images, and what it found. With
 * `--chaos` they are killed meanwhile, and what it found is compared with what an undisturbed run did.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { WorkflowNotFoundError } from '@temporalio/client';
import { listRecords, readRecord } from '../activities/record-store.js';
import { canonicalJson, digestOf, type StudyRecord } from '../core/record.js';
import { imagesFolder } from '../examples/digits/images.js';
import { checkpointOf } from '../trainers/checkpoints.js';
import { taskQueues, workflowIds } from '../workflows/messages.js';
import type { Role } from '../workers/main.js';
import { checkStudy, startStudy, writeReport } from './api.js';
import { webUi, withClient } from '../cluster/connect.js';
import { CliError } from '../cluster/errors.js';
import { installImages } from './images.js';
import { planTable } from './plan-table.js';
import { missingPollers } from './pollers.js';
import { startServer, type ServerInfo } from '../cluster/server.js';
import { stateDir } from '../cluster/state.js';
import { allowNamed } from './trusting.js';
import { killAway } from './under-fire.js';
import { watch } from './watch.js';

const roles = Object.keys(taskQueues) as Role[];
const folder = fileURLToPath(new URL('../examples/digits/', import.meta.url));
const trainer = path.join(folder, 'trainer.js');

/** @throws CliError when what was killed came to another answer than what was not */
export async function runDemo({ chaos = false }: { readonly chaos?: boolean } = {}): Promise<void> {
  const dir = stateDir();
  if (imagesFolder() === null) await installImages((line) => console.log(line));
  let server: ServerInfo = await startServer(dir, (line) => console.log(line));
  // Its workers are its own, on whatever cluster they are.
  for (const line of await allowNamed([trainer], [])) console.log(line);
  const workers = new Map(roles.map((role) => [role as string, startWorker(role)]));
  const end = () => workers.forEach((worker) => worker.kill('SIGTERM'));
  let running: string | null = null;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      end();
      if (running) console.error(`\nleft; ${running} goes on with: everband worker, then everband watch ${running}`);
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }
  /** Starts a study, watches it to its end, and shows what it found. */
  const run = async (name: string, more: object, meanwhile?: (over: AbortSignal) => Promise<void>): Promise<void> => {
    const study = await startStudy({ ...demoStudy(name), ...more }, (line) => console.log(line));
    running = study.name;
    console.log(`\n${planTable(study)}\n`);
    const page = webUi(workflowIds.study(study.name));
    if (page) console.log(`Web UI: ${page}\n`);
    const over = new AbortController();
    const beside = meanwhile?.(over.signal);
    // Lines of what is killed stand between those of the view, which then does not redraw.
    const result = await watch(study.name, false, meanwhile ? false : process.stdout.isTTY).finally(() => over.abort());
    await beside;
    running = null;
    const best = checkpointOf(dir, study.name, result.best?.trial ?? '');
    const report = writeReport(study.name, path.join(dir, 'studies', study.name, 'report.html'));
    console.log(`report: ${report}`);
    if (best) console.log(`best checkpoint: ${best.path}`);
  };
  try {
    await polled(workers);
    console.log(`workers: ${roles.map((role) => `${role} (pid ${workers.get(role)?.pid})`).join(', ')}`);
    if (!chaos) await run(await freshName(dir, 'digits'), {});
    else {
      let undisturbed = await undisturbedRecord(dir);
      if (undisturbed) console.log(`an undisturbed run to compare with: ${undisturbed.study}`);
      else {
        console.log('first undisturbed, to have an answer to compare with');
        await run(await freshName(dir, 'digits'), {});
        undisturbed = await undisturbedRecord(dir);
      }
      const name = await freshName(dir, 'digits-chaos');
      let killed = 0;
      console.log('\nnow once more, and its workers and its server are killed meanwhile');
      // A worker that is killed is missed after so many seconds without a sign of life.
      await run(name, { training: { heartbeatSeconds: 3 } }, async (over) => {
        const targets = {
          roles,
          worker: (role: string) => workers.get(role) as ChildProcess,
          replace: (role: string) => void workers.set(role, startWorker(role)),
          serverPid: () => server.pid,
          startServer: async () => void (server = await startServer(dir, () => undefined)),
        };
        killed = await killAway(targets, over, (line) => console.log(line));
      });
      console.log(sameAnswer(readRecord(dir, name), undisturbed, killed));
    }
    if (server.pid !== null)
      console.log(`the server keeps running for the Web UI (${server.uiUrl}); stop it with: npx everband server stop`);
  } finally {
    end();
    await Promise.all([...workers.values()].map(exited));
  }
}

/** A study's name is in its record, and so in its digests; everything else must be the same. */
const answerOf = (record: StudyRecord) => digestOf(canonicalJson({ ...record, study: '', digests: [] }));

/** The newest run of the demo's study that nothing has disturbed; null: there is none. */
async function undisturbedRecord(dir: string): Promise<StudyRecord | null> {
  const { seed, objective, space, sampler, scheduler, pruner, limits } = await checkStudy(demoStudy('digits'));
  const asked = canonicalJson({ seed, objective, space, sampler, scheduler, pruner, limits });
  const records = listRecords(dir)
    .filter((name) => /^digits-\d+$/.test(name))
    .sort((a, b) => Number(b.slice('digits-'.length)) - Number(a.slice('digits-'.length)))
    .flatMap((name) => readRecord(dir, name) ?? []);
  return (
    records.find((record) => {
      const { seed, objective, space, sampler, scheduler, pruner, limits } = record;
      const same = canonicalJson({ seed, objective, space, sampler, scheduler, pruner, limits }) === asked;
      return same && record.result.ended === 'finished';
    }) ?? null
  );
}

/** @throws CliError when it is not the same */
function sameAnswer(record: StudyRecord | null, undisturbed: StudyRecord | null, killed: number): string {
  if (!record || !undisturbed) throw new CliError('a record of the two runs is missing, so they cannot be compared.');
  const [one, other] = [answerOf(record), answerOf(undisturbed)];
  const both = `${record.study}, of which ${killed} processes were killed, and ${undisturbed.study}, of which none was`;
  if (one !== other)
    throw new CliError(`${both}, came to different answers (SHA-256 ${one}, ${other}): this is a fault of Everband.`);
  return `\nthe same answer: ${both}, agree in every configuration, curve, decision and result (SHA-256 ${one.slice(0, 16)})`;
}

/** The example's study file under a name of its own, with the trainer as built. */
function demoStudy(name: string): object {
  const study = parse(readFileSync(path.join(folder, 'study.yaml'), 'utf8')) as object;
  return { ...study, name, trainer: { module: trainer } };
}

/** `digits-1`, or the next one that neither the records nor the server know. */
async function freshName(dir: string, stem: string): Promise<string> {
  const recorded = new Set(listRecords(dir));
  return withClient(async (client) => {
    for (let n = 1; ; n++) {
      const name = `${stem}-${n}`;
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

async function polled(workers: ReadonlyMap<string, ChildProcess>): Promise<void> {
  for (;;) {
    for (const [role, { exitCode }] of workers) {
      if (exitCode !== null) throw new Error(`the ${role} worker ended with ${exitCode}`);
    }
    if ((await missingPollers(Object.values(taskQueues))).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function exited(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  await new Promise((resolve) => worker.once('exit', resolve));
}
