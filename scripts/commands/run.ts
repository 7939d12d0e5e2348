/** validate, plan, start, watch, demo, init. */
import { existsSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import pc from 'picocolors';
import { elsewhereOf } from '../../core/predictors/index.js';
import { prunerOf } from '../../core/pruners/index.js';
import { planOf, type Study } from '../../core/study.js';
import { taskQueues, workflowIds } from '../../workflows/messages.js';
import { checkStudy, recoverStudy, startStudy } from '../api.js';
import { webUi } from '../../cluster/connect.js';
import { runDemo } from '../demo.js';
import { CliError } from '../../cluster/errors.js';
import { planTable } from '../plan-table.js';
import { missingPollers } from '../pollers.js';
import { passedOn } from '../../trust/environment.js';
import { exampleStudy, exampleTrainer, examplePython } from '../templates.js';
import { exitCodeOf, leaveOnInterrupt, watch, watchUnlessFailing } from '../watch.js';
import { examples, positive, print, studyName, type Json } from './arguments.js';

export function addRunCommands(program: Command): void {
  examples(
    program
      .command('validate')
      .description('check a study file')
      .argument('<study-file>', 'YAML, JSON, or a module with a default export')
      .option('--json', 'the study with every default filled in, as JSON')
      .action(async (file: string, options: Json) => {
        const study = await checkStudy(file);
        print(options, study, [`${file}: study ${study.name} is fine`, ...trainerLines(study)].join('\n'));
      }),
    'everband validate study.yaml'
  );

  examples(
    program
      .command('plan')
      .description('what the study would cost, bracket by bracket')
      .argument('<study-file>', 'YAML, JSON, or a module with a default export')
      .option('--epoch-seconds <seconds>', 'how long one epoch takes', positive)
      .option('--json', 'as JSON')
      .action(async (file: string, options: Json & { epochSeconds?: number }) => {
        const study = await checkStudy(file);
        if (options.json) console.log(JSON.stringify(planOf(study).table(), null, 1));
        else console.log(planTable(study, options.epochSeconds));
      }),
    'everband plan study.yaml',
    'everband plan study.yaml --epoch-seconds 12'
  );

  examples(
    program
      .command('start')
      .description('start a study and return, or wait for its end')
      .argument('[study-file]', 'YAML, JSON, or a module with a default export')
      .option('--wait', 'stay and watch; Ctrl-C, or workflow code that fails, leaves the study running')
      .option('--name <name>', 'instead of the name in the file')
      .option(
        '--recover <study>',
        'go on with a study that was lost, or whose workflow code is another by now, from its record',
        studyName
      )
      .option('--epoch-seconds <seconds>', 'how long one epoch takes, for the plan', positive)
      .option('--json', 'print what was started, or with --wait its result, as JSON')
      .action(async (file: string | undefined, options: StartOptions) => {
        const { study, says } = await begin(file, options);
        const page = webUi(workflowIds.study(study.name));
        if (!options.json) {
          console.log(`${planTable(study, options.epochSeconds)}\n`);
          console.log(`study ${study.name} ${says}${page ? `, Web UI: ${page}` : ''}`);
        }
        for (const line of await pollersMissing(study)) console.error(process.stderr.isTTY ? pc.yellow(line) : line);
        if (!options.wait) {
          const workflowId = workflowIds.study(study.name);
          print(options, { study: study.name, workflowId, webUi: page }, `watch it: everband watch ${study.name}`);
          return;
        }
        leaveOnInterrupt(study.name);
        const result = await watchUnlessFailing(study.name, options.json === true);
        if (options.json) console.log(JSON.stringify(result));
        process.exitCode = exitCodeOf(result);
      }),
    'everband start study.yaml',
    'everband start study.yaml --wait --name second',
    'everband start study.yaml --wait --json > result.json',
    'everband start --recover digits'
  );

  examples(
    program
      .command('watch')
      .description('watch a study until it ends; Ctrl-C leaves it running')
      .argument('<study>', 'its name', studyName)
      .option('--json', 'only the result, as JSON')
      .action(async (name: string, options: Json) => {
        leaveOnInterrupt(name);
        const result = await watch(name, options.json === true);
        if (options.json) console.log(JSON.stringify(result));
        process.exitCode = exitCodeOf(result);
      }),
    'everband watch digits'
  );

  examples(
    program
      .command('demo')
      .description('train a small convolutional network on digits with Swift-Hyperband, everything included')
      .option('--chaos', 'kill its workers and its server while it runs, and compare with an undisturbed run')
      .action(async (options: { chaos?: boolean }) => runDemo(options)),
    'everband demo',
    'everband demo --chaos'
  );

  examples(
    program
      .command('init')
      .description('write study.yaml and a trainer to start from')
      .option('--python', 'a Python trainer instead of a JavaScript one')
      .option('--json', 'the names of the files as JSON')
      .action((options: Json & { python?: boolean }) => {
        const files = options.python
          ? { 'study.yaml': exampleStudy('command: [python3, trainer.py]'), 'trainer.py': examplePython }
          : { 'study.yaml': exampleStudy('module: ./trainer.mjs'), 'trainer.mjs': exampleTrainer };
        const there = Object.keys(files).filter((file) => existsSync(file));
        if (there.length > 0) {
          const exist = `${there.join(' and ')} ${there.length === 1 ? 'exists' : 'exist'} already`;
          throw new CliError(`${exist}; existing files are never overwritten. Fix: run this in an empty folder.`);
        }
        for (const [file, text] of Object.entries(files)) writeFileSync(file, text);
        const names = Object.keys(files);
        print(
          options,
          names,
          `wrote ${names.join(' and ')}\nnext: everband server, everband worker, everband start study.yaml --wait`
        );
      }),
    'everband init',
    'everband init --python'
  );
}

/** What a trainer gets to see here, which is what it would on a worker with this environment. */
function trainerLines({ trainer }: Study): string[] {
  if (trainer.type !== 'command' && trainer.type !== 'module') return [];
  const set = trainer.type === 'command' ? Object.entries(trainer.env) : [];
  const names = set.map(([name, value]) => (typeof value === 'string' ? name : `${name} (the secret ${value.secret})`));
  return [
    `its trainer gets of a worker's environment, as far as this one goes: ${passedOn(process.env).join(', ')}`,
    ...(names.length > 0 ? [`set by the study: ${names.join(', ')}`] : []),
    'everything else stays with the worker, unless `everband worker --pass-env NAME` passes it on',
  ];
}

interface StartOptions extends Json {
  readonly wait?: boolean;
  readonly name?: string;
  readonly epochSeconds?: number;
  readonly recover?: string;
}

/** Starts the study of a file, or goes on with one that the server has lost. */
async function begin(file: string | undefined, options: StartOptions): Promise<{ study: Study; says: string }> {
  // Beside what programs read from standard output.
  const say = (line: string) => (options.json ? console.error(line) : console.log(line));
  if (options.recover === undefined) {
    if (file === undefined) throw new CliError('there is no study file. Fix: `everband start <study-file>`.', 2);
    const study: Study = { ...(await checkStudy(file)), ...(options.name ? { name: options.name } : {}) };
    return { study: await startStudy(study, say), says: 'started' };
  }
  if (file !== undefined || options.name !== undefined) {
    throw new CliError('a study is recovered as it was: leave out the study file and --name.', 2);
  }
  if ((await missingPollers([taskQueues.orchestrate])).length > 0) {
    throw new CliError(
      'no orchestrating worker polls, and only such a worker can read the record. Fix: `everband worker orchestrate`, then try again.'
    );
  }
  const { study, epochs } = await recoverStudy(options.recover, say);
  return { study: study as Study, says: `goes on from its record, with ${epochs} epochs behind it` };
}

/** One line with its fix for every queue the study needs and nobody polls. */
async function pollersMissing({ trainer, pruner }: Study): Promise<string[]> {
  const predictor = prunerOf(pruner).predictor(pruner);
  const fixes = new Map([
    [taskQueues.orchestrate as string, 'Fix: `everband worker orchestrate`.'],
    trainer.type === 'activity'
      ? [trainer.taskQueue, 'Start the worker of your trainer.']
      : [taskQueues.train, 'Fix: `everband worker train`.'],
  ]);
  const elsewhere = predictor && elsewhereOf(predictor);
  // Who only solves a problem has it posed and its solution read by a worker of ours.
  if (predictor && (!elsewhere || elsewhere.problem)) fixes.set(taskQueues.predict, 'Fix: `everband worker predict`.');
  if (elsewhere) fixes.set(elsewhere.taskQueue, elsewhere.fix);
  const missing = await missingPollers([...fixes.keys()]);
  return missing.map((queue) => `no worker polls the task queue ${queue}, so the study waits. ${fixes.get(queue)}`);
}
