/** server, worker, doctor. */
import type { Command } from 'commander';
import type { Role } from '../../workers/main.js';
import { taskQueues } from '../../workflows/messages.js';
import { withClient } from '../connect.js';
import { doctor, printChecks } from '../doctor.js';
import { CliError } from '../errors.js';
import { serverInfo, startServer, stopServer } from '../server.js';
import { stateDir } from '../state.js';
import { examples, print, wholeNumber, type Json } from './arguments.js';

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
      console.log((await stopServer(stateDir())) ? 'stopped' : 'no embedded server runs here');
    });
  server
    .command('status')
    .description('where it runs')
    .action(async () => {
      const info = await serverInfo(stateDir());
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
      .action(async (given: string[], options: { slots?: number; gpus?: string }) => {
        const wrong = given.filter((role) => !roles.includes(role as Role));
        if (wrong.length > 0) throw new CliError(`no such role: ${wrong.join(', ')}; there are ${roles.join(', ')}`, 2);
        const gpus = options.gpus?.split(',').map((gpu) => gpu.trim());
        if (gpus?.some((gpu) => gpu === '')) throw new CliError(`--gpus is a list such as 0,1, not ${options.gpus}`, 2);
        const own = given.length > 0 ? (given as Role[]) : roles;
        // Says in one line what is wrong with the connection, which a worker does not.
        await withClient(() => Promise.resolve());
        const { runWorker } = await import('../../workers/main.js');
        await runWorker({
          roles: own,
          slots: options.slots,
          gpus,
          onReady: () => console.log(`worker ready: ${own.join(', ')}`),
        });
      }),
    'everband worker',
    'everband worker train --slots 4',
    'everband worker train --gpus 0,1',
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
