/** validate, plan, start, watch, demo, init. */
import { existsSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import pc from 'picocolors';
import { recordFile } from '../../activities/record-store.js';
import { planStudy } from '../../core/plan.js';
import type { StudyResult } from '../../core/record.js';
import type { Study } from '../../core/study.js';
import { taskQueues, workflowIds } from '../../workflows/messages.js';
import { checkStudy, getStatus, startStudy } from '../api.js';
import { webUi, withClient } from '../connect.js';
import { runDemo } from '../demo.js';
import { CliError } from '../errors.js';
import { watchStudy } from '../live-view.js';
import { planTable } from '../plan-table.js';
import { stateDir } from '../state.js';
import { missingPollers } from '../pollers.js';
import { exampleStudy, exampleTrainer, examplePython } from '../templates.js';
import { short } from '../terminal.js';

export function addRunCommands(program: Command): void {
  program
    .command('validate <study-file>')
    .description('check a study file')
    .action(async (file: string) => {
      const study = await checkStudy(file);
      console.log(`${file}: study ${study.name} is fine`);
    });

  program
    .command('plan <study-file>')
    .description('what the study would cost, bracket by bracket')
    .option('--epoch-seconds <seconds>', 'how long one epoch takes', Number)
    .option('--json', 'as JSON')
    .action(async (file: string, options: { epochSeconds?: number; json?: boolean }) => {
      const study = await checkStudy(file);
      if (options.json) console.log(JSON.stringify(planStudy(study.scheduler, study.predictor), null, 1));
      else console.log(planTable(study, options.epochSeconds));
    });

  program
    .command('start <study-file>')
    .description('start a study and return, or wait for its end')
    .option('--wait', 'stay and watch; Ctrl-C leaves the study running')
    .option('--name <name>', 'instead of the name in the file')
    .option('--json', 'print the result as JSON at the end (with --wait)')
    .action(async (file: string, options: { wait?: boolean; name?: string; json?: boolean }) => {
      const study: Study = { ...(await checkStudy(file)), ...(options.name ? { name: options.name } : {}) };
      if (!options.json) console.log(planTable(study), '\n');
      await startStudy(study);
      if (!options.json) console.log(await started(study));
      for (const line of await pollersMissing(study)) console.error(pc.yellow(line));
      if (!options.wait) return;
      const result = await watch(study.name, options.json === true);
      if (options.json) console.log(JSON.stringify(result));
    });

  program
    .command('watch <study>')
    .description('watch a study until it ends; Ctrl-C leaves it running')
    .action(async (name: string) => {
      await watch(name, false);
    });

  program
    .command('demo')
    .description('train a small convolutional network on digits with Swift-Hyperband, everything included')
    .action(async () => runDemo());

  program
    .command('init')
    .description('write study.yaml and a trainer to start from')
    .option('--python', 'a Python trainer instead of a JavaScript one')
    .action((options: { python?: boolean }) => {
      const files = options.python
        ? { 'study.yaml': exampleStudy('command: [python3, trainer.py]'), 'trainer.py': examplePython }
        : { 'study.yaml': exampleStudy('module: ./trainer.mjs'), 'trainer.mjs': exampleTrainer };
      const there = Object.keys(files).filter((file) => existsSync(file));
      if (there.length > 0)
        throw new CliError(`${there.join(' and ')} exist already and are never overwritten. Fix: an empty folder.`);
      for (const [file, text] of Object.entries(files)) writeFileSync(file, text);
      console.log(
        `wrote ${Object.keys(files).join(' and ')}\nnext: everband server, everband worker, everband start study.yaml --wait`
      );
    });
}

async function pollersMissing(study: Study): Promise<string[]> {
  const train = study.trainer.type === 'activity' ? study.trainer.taskQueue : taskQueues.train;
  const queues = [taskQueues.orchestrate, train, ...(study.predictor.type === 'none' ? [] : [taskQueues.predict])];
  return (await missingPollers(queues)).map((queue) =>
    queue === train && study.trainer.type === 'activity'
      ? `no worker polls ${queue}: start yours; the study waits.`
      : `no worker polls ${queue}: the study waits. Fix: \`everband worker ${queue.replace('everband-', '')}\`.`
  );
}

async function started(study: Study): Promise<string> {
  const page = await webUi(workflowIds.study(study.name));
  return `study ${study.name} started${page ? `, Web UI: ${page}` : ''}`;
}

/** Watches and prints the end; used by the demo too. */
export async function watch(name: string, quiet: boolean): Promise<StudyResult> {
  const status = await getStatus(name);
  const result = await withClient((client) =>
    watchStudy(client, name, (text) => (quiet ? undefined : process.stdout.write(text)), process.stdout.isTTY && !quiet)
  );
  if (!quiet) console.log(summary(name, result, status.study?.objective.metric ?? 'metric'));
  return result;
}

function summary(name: string, result: StudyResult, metric: string): string {
  const { best, epochs, plannedEpochs, fates } = result;
  const saved = plannedEpochs - epochs;
  const fate = Object.entries(fates).filter(([, count]) => count > 0);
  return [
    `study ${name} ${result.ended}: ${result.trials} trials (${fate.map(([one, count]) => `${count} ${one}`).join(', ')})`,
    `epochs: ${epochs} of Hyperband's ${plannedEpochs}${saved > 0 ? `, ${saved} saved (${((100 * saved) / plannedEpochs).toFixed(1)} %)` : ''}`,
    best
      ? `best: ${best.trial}, ${metric} ${pc.green(short(best.value))} at ${best.budget}${best.reachedMaxBudget ? '' : ' (no trial reached the largest budget)'}\n${JSON.stringify(best.config)}`
      : 'best: none, no trial has a value',
    `record: ${recordFile(stateDir(), name)}`,
  ].join('\n');
}
