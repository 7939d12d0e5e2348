/** server, worker, doctor. */
import type { Command } from 'commander';
import { roles, runWorker, type Role } from '../../workers/main.js';
import { doctor, printChecks } from '../doctor.js';
import { CliError } from '../errors.js';
import { serverInfo, startServer, stopServer } from '../server.js';
import { stateDir } from '../state.js';

export function addServeCommands(program: Command): void {
  const server = program.command('server').description('start the embedded Temporal server, or say where it runs');
  server.action(async () => {
    const info = await startServer(stateDir(), (line) => console.log(line));
    console.log(`${info.reused ? 'running' : 'started'}: ${info.address}${info.uiUrl ? `, Web UI ${info.uiUrl}` : ''}`);
  });
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
      console.log(`running: ${info.address}, Web UI ${info.uiUrl}, pid ${info.pid}`);
    });

  program
    .command('worker [roles...]')
    .description(`start a worker; roles: ${roles.join(', ')} (default: all)`)
    .option('--slots <n>', 'trials it trains at once (default: cores, or one per GPU)', Number)
    .option('--gpus <list>', 'CUDA indices, one per slot, e.g. 0,1')
    .action(async (given: string[], options: { slots?: number; gpus?: string }) => {
      const wrong = given.filter((role) => !roles.includes(role as Role));
      if (wrong.length > 0) throw new CliError(`no such role: ${wrong.join(', ')}; there are ${roles.join(', ')}`, 2);
      if (options.slots !== undefined && !(Number.isInteger(options.slots) && options.slots >= 1)) {
        throw new CliError(`--slots must be a whole number of at least 1, not ${options.slots}`, 2);
      }
      const own = given.length > 0 ? (given as Role[]) : roles;
      await runWorker({
        roles: own,
        slots: options.slots,
        gpus: options.gpus?.split(','),
        onReady: () => console.log(`worker ready: ${own.join(', ')}`),
      });
      process.exit();
    });

  program
    .command('doctor')
    .description('what is wrong with a set-up and how to mend it')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const checks = await doctor();
      console.log(options.json ? JSON.stringify(checks, null, 1) : printChecks(checks));
      if (checks.some((check) => check.state === 'wrong')) process.exitCode = 1;
    });
}
