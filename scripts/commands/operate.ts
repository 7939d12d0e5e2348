/** pause, resume, stop, parallelism, retry, drop, delete. */
import type { Command } from 'commander';
import {
  deleteStudy,
  dropTrial,
  pauseStudy,
  resumeStudy,
  retryDiverged,
  retryTrials,
  setParallelism,
  stopStudy,
} from '../api.js';
import { CliError } from '../../cluster/errors.js';
import { missingPollers } from '../pollers.js';
import { examples, print, queueName, studyName, trialId, wholeNumber, type Json } from './arguments.js';

interface Retry {
  readonly failed?: boolean;
  readonly diverged?: boolean;
  readonly reset?: boolean;
  readonly queue?: string;
}

export function addOperateCommands(program: Command): void {
  const simple: [string, string, (name: string) => Promise<string>][] = [
    ['pause', 'trainers save themselves and wait', pauseStudy],
    ['resume', 'go on after a pause', resumeStudy],
    ['stop', 'end a study early; its best is kept', stopStudy],
  ];
  for (const [command, description, act] of simple) {
    const added = program
      .command(command)
      .description(description)
      .argument('<study>', 'its name', studyName)
      .option('--json', 'as JSON')
      .action(async (name: string, options: Json) => {
        const answer = await act(name);
        print(options, { study: name, answer }, answer);
      });
    examples(added, `everband ${command} digits`);
  }

  examples(
    program
      .command('parallelism')
      .description('change how many trials train at once')
      .argument('<study>', 'its name', studyName)
      .argument('<trials>', '1 to 10000, or to what the scheduler allows', wholeNumber)
      .option('--json', 'as JSON')
      .action(async (name: string, trials: number, options: Json) => {
        const answer = await setParallelism(name, trials);
        print(options, { study: name, answer }, answer);
      }),
    'everband parallelism digits 16'
  );

  examples(
    program
      .command('retry')
      .description('put a parked trial back, or retry one late that failed in a closed round or study')
      .argument('<study>', 'its name', studyName)
      .argument('[trial]', 'its id', trialId)
      .option('--failed', 'retry every parked trial, and every trial that failed in a closed round or study')
      .option('--diverged', 'retry every trial that diverged; needs --reset or --queue')
      .option('--reset', 'train from the start instead of the checkpoint')
      .option('--queue <name>', 'on workers of this task queue (everband worker train --queue <name>)', queueName)
      .option('--json', 'as JSON')
      .addHelpText(
        'after',
        `
A parked trial goes on in its round. A trial whose round or study has closed is retried late, beside what was
decided: at each rung it is promoted when it would rank among those promoted there, and nobody is demoted.
The record stays as it is; everband status, trials, report and export show both results.`
      )
      .action(async (name: string, trial: string | undefined, options: Json & Retry) => {
        const { failed = false, diverged = false, reset = false, queue = null } = options;
        if ([trial !== undefined, failed, diverged].filter(Boolean).length !== 1)
          throw new CliError('give exactly one of these: a trial, --failed or --diverged', 2);
        const answers = diverged
          ? await retryDiverged(name, reset, queue)
          : await retryTrials(name, trial ?? null, reset, queue);
        const idle = queue === null ? [] : await missingPollers([queue]).catch(() => []);
        for (const one of idle) {
          console.error(`no worker polls the queue ${one}. Fix: \`everband worker train --queue ${one}\`.`);
        }
        print(options, { study: name, answers }, answers.join('\n'));
      }),
    'everband retry digits b3-t017',
    'everband retry digits --failed --reset',
    'everband retry digits --failed --queue big-gpu',
    'everband retry digits --diverged --reset'
  );

  examples(
    program
      .command('drop')
      .description('give a parked trial up: it ranks last')
      .argument('<study>', 'its name', studyName)
      .argument('<trial>', 'its id', trialId)
      .option('--json', 'as JSON')
      .action(async (name: string, trial: string, options: Json) => {
        const answers = await dropTrial(name, trial);
        print(options, { study: name, answers }, answers.join('\n'));
      }),
    'everband drop digits b3-t017'
  );

  examples(
    program
      .command('delete')
      .description('remove records, checkpoints, logs and workflows of a closed study')
      .argument('<study>', 'its name', studyName)
      .option('--force', 'terminate it first when it runs')
      .option('--json', 'as JSON')
      .action(async (name: string, options: Json & { force?: boolean }) => {
        const gone = await deleteStudy(name, options.force ?? false);
        const also = gone.recorded ? ', records, checkpoints and logs' : '';
        print(options, { study: name, ...gone }, `deleted ${name}: ${gone.workflows} workflows${also}`);
      }),
    'everband delete digits',
    'everband delete digits --force'
  );
}
