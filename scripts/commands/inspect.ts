/** list, status, trials, logs, export, report. */
import { createReadStream, existsSync, mkdirSync, statSync, watchFile, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { listRecords, readRecord, studyFolder } from '../../activities/record-store.js';
import type { StudyRecord } from '../../core/record.js';
import { exportCsv, exportJson } from '../../report/export.js';
import { reportHtml } from '../../report/html.js';
import { workflowTypes } from '../../workflows/messages.js';
import { getStatus, getTrials, trainingNow } from '../api.js';
import { withClient } from '../connect.js';
import { CliError } from '../errors.js';
import { stateDir } from '../state.js';
import { short, table } from '../terminal.js';

export function addInspectCommands(program: Command): void {
  program
    .command('list')
    .description('studies on the server and in the records')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const studies = new Map<string, string>();
      for (const name of listRecords(stateDir())) studies.set(name, 'recorded');
      await withClient(async (client) => {
        for await (const found of client.workflow.list({ query: `WorkflowType = '${workflowTypes.study}'` })) {
          const name = found.workflowId.replace(/^everband\//, '');
          if (!studies.has(name) || studies.get(name) === 'recorded')
            studies.set(name, found.status.name.toLowerCase());
        }
      }).catch((error: unknown) => {
        if (studies.size === 0) throw error;
      });
      if (options.json) console.log(JSON.stringify([...studies].map(([name, state]) => ({ name, state }))));
      else console.log(studies.size === 0 ? 'no studies' : table(['study', 'state'], [...studies]));
    });

  program
    .command('status <study>')
    .description('how a study stands')
    .option('--json', 'as JSON')
    .action(async (name: string, options: { json?: boolean }) => {
      const status = await getStatus(name);
      if (options.json) {
        console.log(JSON.stringify(status));
        return;
      }
      console.log(
        `${name}: ${status.phase}, ${status.epochs} of ${status.plannedEpochs} ${status.study?.budgetUnit}, at most ${status.parallelism} trials at once`
      );
      if (status.best)
        console.log(
          `best: ${status.best.trial} ${status.study?.objective.metric} ${short(status.best.value)} at ${status.best.budget}`
        );
      const rows = status.brackets.flatMap((bracket) =>
        bracket.rounds.map((round) => [
          ...[
            round.index === 0 ? bracket.id : '',
            round.index,
            `${round.from}-${round.to}`,
            round.entered || round.planned,
            round.promoted,
          ],
          ...[round.stopped, round.diverged, round.failed, round.epochs, short(round.best), round.state],
        ])
      );
      console.log(
        table(
          [
            'bracket',
            'round',
            'budget',
            'trials',
            'promoted',
            'stopped',
            'diverged',
            'failed',
            'spent',
            'best',
            'state',
          ],
          rows
        )
      );
      const parked = await withClient(async (client) =>
        (await trainingNow(client, status)).flatMap(({ progress }) => progress.parked)
      );
      for (const one of parked)
        console.log(
          `parked: ${one.trial} after ${one.attempts} attempts: ${one.reason.split('\n')[0]} (everband retry ${name} ${one.trial})`
        );
    });

  program
    .command('trials <study>')
    .description('every trial with its configuration')
    .option('--fate <fate>', 'only those: completed, outranked, stopped, diverged, failed, unfinished')
    .option('--json', 'as JSON')
    .action(async (name: string, options: { fate?: string; json?: boolean }) => {
      const rows = (await getTrials(name)).filter((row) => options.fate === undefined || row.fate === options.fate);
      if (options.json) console.log(JSON.stringify(rows));
      else
        console.log(
          table(
            ['trial', 'fate', 'epochs', 'value', 'configuration'],
            rows.map((row) => [row.id, row.fate, row.epochs, short(row.value), JSON.stringify(row.config)])
          )
        );
    });

  program
    .command('logs <study> <trial>')
    .description("a trial's log: what its trainer printed")
    .option('-f, --follow', 'go on as it grows')
    .action(async (name: string, trial: string, options: { follow?: boolean }) => {
      const file = path.join(studyFolder(stateDir(), name), 'logs', `${trial}.log`);
      if (!existsSync(file))
        throw new CliError(
          `no log of trial ${trial} of ${name} here (${file}). Fix: \`everband trials ${name}\` lists them; logs lie where its worker runs.`
        );
      await pipeline(createReadStream(file), process.stdout, { end: false });
      if (!options.follow) return;
      let seen = statSync(file).size;
      watchFile(file, { interval: 500 }, ({ size }) => {
        if (size > seen) createReadStream(file, { start: seen }).pipe(process.stdout, { end: false });
        seen = size;
      });
      await new Promise(() => undefined);
    });

  program
    .command('export <study>')
    .description('every trial and curve as CSV and JSON')
    .option('--out <folder>', 'where to', '.')
    .action((name: string, options: { out: string }) => {
      const record = recorded(name);
      mkdirSync(options.out, { recursive: true });
      const { trials, curves } = exportCsv(record);
      const files = {
        [`${name}.trials.csv`]: trials,
        [`${name}.curves.csv`]: curves,
        [`${name}.json`]: exportJson(record),
      };
      for (const [file, text] of Object.entries(files)) writeFileSync(path.join(options.out, file), text);
      console.log(`wrote ${Object.keys(files).join(', ')} to ${options.out}`);
    });

  program
    .command('report <study>')
    .description('one self-contained HTML file')
    .option('--out <file>', 'where to (default: <study>.html)')
    .action((name: string, options: { out?: string }) => {
      console.log(`wrote ${writeReport(name, options.out ?? `${name}.html`)}`);
    });
}

export function writeReport(name: string, file: string): string {
  writeFileSync(file, reportHtml(recorded(name)));
  return file;
}

function recorded(name: string): StudyRecord {
  const record = readRecord(stateDir(), name);
  if (!record)
    throw new CliError(
      `no record of ${name} in ${stateDir()}. Fix: run this where its orchestrating worker runs, or set EVERBAND_HOME.`
    );
  return record;
}
