/** A worker process: plays one or more roles until it is told to stop. */
import os from 'node:os';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { beating } from '../activities/beating.js';
import { createLateActivities } from '../activities/late.js';
import { createPredictActivities } from '../activities/predict.js';
import { createRecordActivities } from '../activities/record.js';
import { createRecoverActivities } from '../activities/recover.js';
import { createRestoreActivities, Restorer } from '../activities/restore.js';
import { createTrainActivities } from '../activities/train.js';
import { codecFile, dataConverter, keysVariable } from '../cluster/codec.js';
import { connectionSettings, runsAt } from '../cluster/connect.js';
import { stateDir } from '../cluster/state.js';
import { taskQueues } from '../workflows/messages.js';
import { logFailures } from './failures.js';

export type Role = keyof typeof taskQueues;

/** Seconds a worker may take to end beside what its trainers may take. */
const endingSeconds = 60;

export interface WorkerSettings {
  readonly roles: readonly Role[];
  /** Trials this process trains at once. @default the number of cores */
  readonly slots?: number | undefined;
  /** One GPU per slot, by CUDA index. */
  readonly gpus?: readonly string[] | undefined;
  /** Task queue it trains on, of trials that were put there. @default that of every trial */
  readonly queue?: string | undefined;
  /** Names of its environment that its trainers get beside the usual ones (trust/environment.ts). */
  readonly passEnv?: readonly string[] | undefined;
  /** Called once every role polls. */
  readonly onReady?: () => void;
}

/** Runs until SIGTERM or SIGINT; trainers then finish their epoch, save and end. */
export async function runWorker(settings: WorkerSettings): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('WARN', logToStderr) });
  const { namespace, ...options } = connectionSettings();
  const connection = await NativeConnection.connect(options);
  const clientConnection = Connection.lazy(options);
  const client = new Client({ connection: clientConnection, namespace, dataConverter: dataConverter('client') });
  const dir = stateDir();
  const restorer = new Restorer(dir, client);
  const slots = settings.slots ?? settings.gpus?.length ?? os.availableParallelism();
  const base: Pick<WorkerOptions, 'connection' | 'namespace' | 'dataConverter'> = {
    ...{ connection, namespace, dataConverter: dataConverter('worker') },
  };
  const disposals: (() => void)[] = [];
  let longestGrace = (): number => 0;
  const create: Record<Role, () => Promise<Worker>> = {
    orchestrate: async () => {
      const worker = await Worker.create({
        ...base,
        shutdownForceTime: `${endingSeconds}s`,
        taskQueue: taskQueues.orchestrate,
        ...workflowCode(),
        activities: {
          ...createRecordActivities(dir, restorer, { address: options.address, namespace }),
          ...beating(createRecoverActivities(dir, { address: options.address, namespace, runsAt })),
          ...beating(createRestoreActivities(dir, restorer)),
          ...createLateActivities(dir),
        },
        // A dead orchestrator's successor waits this long for the first decision instead of 10 s.
        stickyQueueScheduleToStartTimeout: '3s',
      });
      logFailures(worker, client);
      return worker;
    },
    train: async () => {
      const {
        dispose,
        longestGrace: grace,
        ...activities
      } = createTrainActivities({
        stateDir: dir,
        slots,
        ...(settings.gpus ? { gpus: [...settings.gpus] } : {}),
        ...(settings.passEnv ? { passEnv: settings.passEnv } : {}),
      });
      disposals.push(dispose);
      longestGrace = grace;
      return Worker.create({
        ...base,
        taskQueue: settings.queue ?? taskQueues.train,
        activities,
        maxConcurrentActivityTaskExecutions: slots,
        // Loss after a kill is set by the throttle, detection by the study's heartbeat timeout.
        maxHeartbeatThrottleInterval: '1s',
        defaultHeartbeatThrottleInterval: '1s',
      });
    },
    predict: async () => {
      const { dispose, ...activities } = createPredictActivities();
      disposals.push(dispose);
      return Worker.create({
        ...base,
        shutdownForceTime: `${endingSeconds}s`,
        taskQueue: taskQueues.predict,
        activities,
        // A frozen worker is still handed what it has asked the server for: with one place that is one question, which
        // costs one heartbeat timeout. Questions wait for a processor here, or for another worker on the queue.
        maxConcurrentActivityTaskExecutions: 1,
        maxHeartbeatThrottleInterval: '1s',
        defaultHeartbeatThrottleInterval: '1s',
      });
    },
  };
  try {
    const workers = await Promise.all(settings.roles.map((role) => create[role]()));
    const running = Promise.all(workers.map((worker) => worker.run()));
    settings.onReady?.();
    // How long trainers may take is said by their studies, not by the worker: it is known once the worker is to end.
    await Promise.race([running, expired(() => longestGrace() + endingSeconds)]);
  } finally {
    for (const dispose of disposals) dispose();
    await clientConnection.close();
    await connection.close();
  }
}

/** Rejects when a worker that was told to end has not within `seconds`: something hangs that cannot be ended. */
function expired(seconds: () => number): Promise<never> {
  return new Promise((_resolve, reject) => {
    const begin = (): void => {
      const limit = seconds();
      const error = new Error(`the worker did not end within ${limit} s`);
      // Node's timers end at 2^31 - 1 ms.
      setTimeout(() => reject(error), Math.min(limit * 1000, 2 ** 31 - 1)).unref();
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, begin);
  });
}

/** Warnings and errors, one line each; that a role registers no workflows is no news. */
function logToStderr({ level, message, meta }: { level: string; message: string; meta?: unknown }): void {
  if (message.startsWith('No workflows registered')) return;
  const error = (meta as { error?: Error } | undefined)?.error;
  console.error(`${level} ${message}${error ? `: ${error.message}` : ''}`);
}

/** The bundle made at build time, or the sources when there is none. */
function workflowCode(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'interceptors'> {
  const bundle = fileURLToPath(new URL('../workflows/bundle.js', import.meta.url));
  if (existsSync(bundle))
    return { workflowBundle: codecFile() === null ? { codePath: bundle } : { code: encrypting(bundle) } };
  if (codecFile() !== null) throw new Error(`with ${keysVariable} a worker needs the bundle. Fix: npm run build`);
  const source = (name: string): string => {
    const files = ['js', 'ts'].map((ending) =>
      fileURLToPath(new URL(`../workflows/${name}.${ending}`, import.meta.url))
    );
    return files.find(existsSync) ?? (files[0] as string);
  };
  return { workflowsPath: source('index'), interceptors: { workflowModules: [source('refusals')] } };
}

/** The bundle's text, told that payloads are encrypted: workflows/encryption.ts. */
function encrypting(bundle: string): string {
  const code = readFileSync(bundle, 'utf8');
  const told = code.replace('const encrypted = { payloads: false };', 'const encrypted = { payloads: true };');
  if (told === code) throw new Error(`${bundle} is of another version. Fix: npm run build`);
  return told;
}
