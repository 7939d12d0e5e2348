/** pause, resume, stop, parallelism, retry, drop, delete. */
import type { Command } from 'commander';
import { deleteStudy, dropTrial, pauseStudy, resumeStudy, retryTrials, setParallelism, stopStudy } from '../api.js';
import { CliError } from '../errors.js';
import { examples, print, studyName, trialId, wholeNumber, type Json } from './arguments.js';

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
      .argument('<trials>', '1 to 10000; 500 for ASHA', wholeNumber)
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
      .description('put a parked trial back, or all of them with --failed')
      .argument('<study>', 'its name', studyName)
      .argument('[trial]', 'its id', trialId)
      .option('--failed', 'every parked trial')
      .option('--reset', 'train from the start instead of the checkpoint')
      .option('--json', 'as JSON')
      .action(
        async (name: string, trial: string | undefined, options: Json & { failed?: boolean; reset?: boolean }) => {
          if ((trial === undefined) === !options.failed)
            throw new CliError('name a trial or say --failed, one of the two', 2);
          const answers = await retryTrials(name, trial ?? null, options.reset ?? false);
          print(options, { study: name, answers }, answers.join('\n'));
        }
      ),
    'everband retry digits b3-t017',
    'everband retry digits --failed --reset'
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
