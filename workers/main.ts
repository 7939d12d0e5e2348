/** A worker process: plays one or more roles until it is told to stop. */
import os from 'node:os';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createPredictActivities } from '../activities/predict.js';
import { createRecordActivities } from '../activities/record.js';
import { createTrainActivities } from '../activities/train.js';
import { connectionSettings } from '../scripts/connect.js';
import { stateDir } from '../scripts/state.js';
import { taskQueues } from '../workflows/messages.js';

export const roles = ['orchestrate', 'train', 'predict'] as const;
export type Role = (typeof roles)[number];

export interface WorkerSettings {
  readonly roles: readonly Role[];
  /** Trials this process trains at once. @default the number of cores */
  readonly slots?: number | undefined;
  /** One GPU per slot, by CUDA index. */
  readonly gpus?: readonly string[] | undefined;
  /** Called once every role polls. */
  readonly onReady?: () => void;
}

/** Runs until SIGTERM or SIGINT; trainers then finish their epoch, save and end. */
export async function runWorker(settings: WorkerSettings): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('WARN', logToStderr) });
  const { namespace, ...options } = await connectionSettings();
  const connection = await NativeConnection.connect(options);
  const dir = stateDir();
  const slots = settings.slots ?? settings.gpus?.length ?? os.availableParallelism();
  const base: Pick<WorkerOptions, 'connection' | 'namespace' | 'shutdownForceTime'> = {
    connection,
    namespace,
    shutdownForceTime: '60s',
  };
  const disposals: (() => void)[] = [];
  const create: Record<Role, () => Promise<Worker>> = {
    orchestrate: () =>
      Worker.create({
        ...base,
        taskQueue: taskQueues.orchestrate,
        ...workflowCode(),
        // A rule that asks after every epoch is answered here, without a trip through the server.
        activities: { ...createRecordActivities({ stateDir: dir }), ...createPredictActivities() },
        // A dead orchestrator's successor waits this long for the first decision instead of 10 s.
        stickyQueueScheduleToStartTimeout: '3s',
      }),
    train: async () => {
      const { dispose, ...activities } = createTrainActivities({
        stateDir: dir,
        slots,
        ...(settings.gpus ? { gpus: [...settings.gpus] } : {}),
      });
      disposals.push(dispose);
      return Worker.create({
        ...base,
        taskQueue: taskQueues.train,
        activities,
        maxConcurrentActivityTaskExecutions: slots,
        // Loss after a kill is set by the throttle, detection by the study's heartbeat timeout.
        maxHeartbeatThrottleInterval: '1s',
        defaultHeartbeatThrottleInterval: '1s',
      });
    },
    predict: () => Worker.create({ ...base, taskQueue: taskQueues.predict, activities: createPredictActivities() }),
  };
  try {
    const workers = await Promise.all(settings.roles.map((role) => create[role]()));
    const running = Promise.all(workers.map((worker) => worker.run()));
    settings.onReady?.();
    await running;
  } finally {
    for (const dispose of disposals) dispose();
    await connection.close();
  }
}

/** Warnings and errors, one line each; that a role registers no workflows is no news. */
function logToStderr({ level, message, meta }: { level: string; message: string; meta?: unknown }): void {
  if (message.startsWith('No workflows registered')) return;
  const error = (meta as { error?: Error } | undefined)?.error;
  console.error(`${level} ${message}${error ? `: ${error.message}` : ''}`);
}

/** The bundle made at build time, or the sources when there is none. */
function workflowCode(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const bundle = fileURLToPath(new URL('../workflows/bundle.js', import.meta.url));
  if (existsSync(bundle)) return { workflowBundle: { codePath: bundle } };
  const sources = ['../workflows/index.js', '../workflows/index.ts'].map((file) =>
    fileURLToPath(new URL(file, import.meta.url))
  );
  return { workflowsPath: sources.find(existsSync) ?? (sources[0] as string) };
}
