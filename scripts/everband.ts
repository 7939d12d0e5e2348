#!/usr/bin/env node
/** The `everband` command. */
import './colours.js';
import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { CliError } from '../cluster/errors.js';
import { addCodecCommands } from './commands/codec.js';
import { addDataCommands } from './commands/data.js';
import { addInspectCommands } from './commands/inspect.js';
import { addOperateCommands } from './commands/operate.js';
import { addRunCommands } from './commands/run.js';
import { addServeCommands } from './commands/serve.js';
import { addSimulateCommand } from './commands/simulate.js';
import { guardConsole } from './terminal.js';

guardConsole();

const program = new Command('everband')
  .description('Hyperparameter optimisation that survives everything: studies as durable workflows on Temporal')
  .version('0.1.0')
  .showSuggestionAfterError()
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  everband demo                        everything at once, on handwritten digits
  everband init                        write a study file and a trainer to start from
  everband server                      start the embedded Temporal server
  everband worker                      start a worker that plays every role
  everband plan study.yaml             what the study would cost
  everband start study.yaml --wait     run it and watch
  everband report digits               one HTML file with all there is to see
  everband simulate curves.csv         compare algorithms on recorded curves

Exit codes: 0 done, 1 it failed, 2 the input is wrong.
Server: TEMPORAL_ADDRESS or a Temporal profile, else the embedded one. State: EVERBAND_HOME, else .everband.`
  );
addRunCommands(program);
addServeCommands(program);
addCodecCommands(program);
addInspectCommands(program);
addOperateCommands(program);
addDataCommands(program);
addSimulateCommand(program);

// A reader that has seen enough (`everband trials digits | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const known = error instanceof CliError;
    const red = process.stderr.isTTY ? pc.red : String;
    console.error(red(known ? error.message : `everband: ${(error as Error).message}`));
    if (!known && process.env['EVERBAND_DEBUG']) console.error(error);
    process.exitCode = known ? error.exitCode : 1;
  }
}
// Temporal's native connections keep the process up a while after everything is done.
process.exit();
