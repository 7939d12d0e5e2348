/** server, worker, doctor. */
import type { Command } from 'commander';
import type { Role } from '../../workers/main.js';
import { taskQueues } from '../../workflows/messages.js';
import { withClient } from '../../cluster/connect.js';
import { doctor, printChecks } from '../doctor.js';
import { CliError } from '../../cluster/errors.js';
import { namedCluster } from '../../cluster/named.js';
import { embeddedServer, runningServer, startServer, stopServer, type ServerInfo } from '../../cluster/server.js';
import { stateDir } from '../../cluster/state.js';
import { neverPassed } from '../../trust/environment.js';
import { allowNamed } from '../trusting.js';
import { examples, print, queueName, wholeNumber, type Json } from './arguments.js';

const roles = Object.keys(taskQueues) as Role[];

export function addServeCommands(program: Command): void {
  const server = examples(
    program
      .command('server')
      .description('start the embedded Temporal server, or say where it runs')
      .option('--json', 'as JSON')
      .action(async (options: Json) => {
        const info = await startServer(stateDir(), (line) => console.error(line));
        const where = `${info.address}${info.uiUrl ? `, Web UI ${info.uiUrl}` : ''}`;
        print(options, info, `${info.reused ? 'running' : 'started'}: ${where}`);
      }),
    'everband server',
    'everband server status',
    'everband server stop'
  );
  server
    .command('stop')
    .description('stop it; its database stays')
    .action(async () => {
      const foreign = foreignServer();
      const stopped = await stopServer(stateDir());
      if (foreign && !stopped) throw new CliError(`${foreign.says}. Fix: stop it where it was started.`);
      console.log(stopped ? 'stopped' : 'no embedded server runs here');
      if (foreign) console.error(`${foreign.says}; that server goes on running`);
    });
  server
    .command('status')
    .description('where it runs')
    .action(async () => {
      const info = await runningServer(stateDir(), 10_000);
      const foreign = foreignServer();
      if (foreign) {
        const beside = info ? `\nan embedded server runs here, and is not used: ${info.address}, pid ${info.pid}` : '';
        return print(server.opts<Json>(), foreign.info, `${foreign.says}; \`everband doctor\` looks at it${beside}`);
      }
      if (!info) throw new CliError('no embedded server runs here. Fix: `everband server`.');
      const found = `running: ${info.address}, Web UI ${info.uiUrl}, pid ${info.pid}`;
      print(server.opts<Json>(), info, found);
    });

  examples(
    program
      .command('worker')
      .description(`start a worker; roles: ${roles.join(', ')} (default: all)`)
      .argument('[roles...]', 'what it does')
      .option('--slots <n>', 'trials it trains at once (default: cores, or one per GPU)', wholeNumber)
      .option('--gpus <list>', 'CUDA indices, one per slot, e.g. 0,1')
      .option('--queue <name>', 'train only what `everband retry --queue` puts there', queueName)
      .option(
        '--allow <trainer>',
        'what it may run, kept in the state folder: a study file, a trainer module, or a program with its script; may be repeated',
        several,
        []
      )
      .option('--allow-env <name>', 'what studies may set for it although it loads code, e.g. PYTHONPATH', several, [])
      .option('--pass-env <name>', 'what its trainers get of its environment beside the usual', several, [])
      .action(async (given: string[], options: WorkerOptions) => {
        const wrong = given.filter((role) => !roles.includes(role as Role));
        if (wrong.length > 0)
          throw new CliError(`there is no role ${wrong.join(' or ')}; the roles are ${roles.join(', ')}`, 2);
        const gpus = options.gpus?.split(',').map((gpu) => gpu.trim());
        if (gpus?.some((gpu) => gpu === '')) throw new CliError(`--gpus is a list such as 0,1, not ${options.gpus}`, 2);
        const own = given.length > 0 ? (given as Role[]) : roles;
        if (options.queue !== undefined && !(own.length === 1 && own[0] === 'train'))
          throw new CliError('--queue is for a worker that only trains: everband worker train --queue big-gpu', 2);
        const never = options.passEnv.find(neverPassed);
        if (never !== undefined)
          throw new CliError(`--pass-env ${never}: what is Temporal's or Everband's own never reaches a trainer`, 2);
        if (options.allowEnv.length > 0 && options.allow.length === 0)
          throw new CliError('--allow-env belongs to a trainer: give --allow with it', 2);
        for (const line of await allowNamed(options.allow, options.allowEnv)) console.log(line);
        // Says in one line what is wrong with the connection, which a worker does not.
        await withClient(() => Promise.resolve());
        const { runWorker } = await import('../../workers/main.js');
        await runWorker({
          roles: own,
          slots: options.slots,
          gpus,
          queue: options.queue,
          passEnv: options.passEnv,
          onReady: () => console.log(`worker ready: ${own.join(', ')}`),
        });
      }),
    'everband worker',
    'everband worker train --slots 4',
    'everband worker train --gpus 0,1',
    'everband worker train --queue big-gpu',
    "everband worker train --allow study.yaml --allow 'python3 train.py'",
    'everband worker train --pass-env WANDB_API_KEY',
    'everband worker orchestrate predict'
  );

  examples(
    program
      .command('doctor')
      .description('what is wrong with a set-up and how to mend it')
      .option('--json', 'as JSON')
      .action(async (options: Json) => {
        const checks = await doctor();
        console.log(options.json ? JSON.stringify(checks, null, 1) : printChecks(checks));
        if (checks.some((check) => check.state === 'wrong')) process.exitCode = 1;
      }),
    'everband doctor'
  );
}

interface WorkerOptions {
  readonly slots?: number;
  readonly gpus?: string;
  readonly queue?: string;
  readonly allow: readonly string[];
  readonly allowEnv: readonly string[];
  readonly passEnv: readonly string[];
}

/** An option that may be given again and again. */
function several(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

/** The server that TEMPORAL_* or a profile names, unless it is the embedded one of this state folder. */
function foreignServer(): { info: ServerInfo; says: string } | null {
  const named = namedCluster();
  if (!named) return null;
  const { address, namespace } = named.settings;
  if (embeddedServer(stateDir())?.address === address) return null;
  const says = `${named.by} names ${address}, which is not Everband's own server`;
  return { info: { address, uiUrl: null, pid: null, namespace, reused: true }, says };
}
