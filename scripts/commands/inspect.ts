/** list, status, trials, logs, export, report. */
import { createReadStream, existsSync, mkdirSync, statSync, watchFile, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Option, type Command } from 'commander';
import { studyFolder } from '../../activities/record-store.js';
import { epochBound } from '../../core/plan.js';
import type { Fate } from '../../core/trial.js';
import { exportCsv, exportJson } from '../../report/export.js';
import type { StudyStatus, TrialRow } from '../../workflows/messages.js';
import { getStatus, getTrials, listStudies, recorded, trainingNow, writeReport } from '../api.js';
import { withClient } from '../connect.js';
import { CliError } from '../errors.js';
import { stateDir } from '../state.js';
import { short, table } from '../terminal.js';
import { examples, print, studyName, trialId, type Json } from './arguments.js';

const fates = ['completed', 'outranked', 'stopped', 'diverged', 'failed', 'unfinished'] as const satisfies Fate[];
const orders = ['id', 'fate', 'epochs', 'value', '-epochs', '-value'] as const;
type Order = (typeof orders)[number];

export function addInspectCommands(program: Command): void {
  examples(
    program
      .command('list')
      .description('studies on the server and in the records')
      .option('--json', 'as JSON')
      .action(async (options: Json) => {
        const studies = await listStudies((message) => console.error(`only what is recorded here: ${message}`));
        const rows = studies.map(({ name, state, phase, best }) => [name, state, phase, short(best)]);
        print(options, studies, rows.length === 0 ? 'no studies' : table(['study', 'state', 'phase', 'best'], rows));
      }),
    'everband list',
    'everband list --json'
  );

  examples(
    program
      .command('status')
      .description('how a study stands')
      .argument('<study>', 'its name', studyName)
      .option('--json', 'as JSON')
      .action(async (name: string, options: Json) => {
        const status = await getStatus(name);
        if (options.json) console.log(JSON.stringify(status));
        else await printStatus(name, status);
      }),
    'everband status digits',
    'everband status digits --json'
  );

  examples(
    program
      .command('trials')
      .description('every trial with its configuration')
      .argument('<study>', 'its name', studyName)
      .addOption(new Option('--fate <fate>', 'only those').choices(fates))
      .addOption(new Option('--sort <column>', 'order; - for the largest first').choices(orders))
      .option('--json', 'as JSON')
      .action(async (name: string, options: Json & { fate?: Fate; sort?: Order }) => {
        const rows = sorted(
          (await getTrials(name)).filter((row) => options.fate === undefined || row.fate === options.fate),
          options.sort
        );
        const cells = rows.map((row) => [row.id, row.fate, row.epochs, short(row.value), JSON.stringify(row.config)]);
        const none = 'no trials yet; those of an ASHA study appear in blocks, as they are recorded';
        const nothing = options.fate === undefined ? none : `no trial is ${options.fate}`;
        const shown = table(['trial', 'fate', 'epochs', 'value', 'configuration'], cells);
        print(options, rows, rows.length === 0 ? nothing : shown);
      }),
    'everband trials digits --fate completed --sort -value'
  );

  examples(
    program
      .command('logs')
      .description("a trial's log: what its trainer printed")
      .argument('<study>', 'its name', studyName)
      .argument('<trial>', 'its id', trialId)
      .option('-f, --follow', 'go on as it grows')
      .action(async (name: string, trial: string, options: { follow?: boolean }) => printLog(name, trial, options)),
    'everband logs digits b3-t017 -f'
  );

  examples(
    program
      .command('export')
      .description('every trial and curve as CSV and JSON')
      .argument('<study>', 'its name', studyName)
      .option('--out <folder>', 'where to', '.')
      .option('--json', 'the names of the files as JSON')
      .action((name: string, options: Json & { out: string }) => {
        const record = recorded(name);
        mkdirSync(options.out, { recursive: true });
        const { trials, curves } = exportCsv(record);
        const files = {
          [`${name}.trials.csv`]: trials,
          [`${name}.curves.csv`]: curves,
          [`${name}.json`]: exportJson(record),
        };
        for (const [file, text] of Object.entries(files)) writeFileSync(path.join(options.out, file), text);
        const names = Object.keys(files);
        print(
          options,
          names.map((file) => path.join(options.out, file)),
          `wrote ${names.join(', ')} to ${options.out}`
        );
      }),
    'everband export digits --out results'
  );

  examples(
    program
      .command('report')
      .description('one self-contained HTML file')
      .argument('<study>', 'its name', studyName)
      .option('--out <file>', 'where to (default: <study>.html)')
      .option('--json', 'the name of the file as JSON')
      .action((name: string, options: Json & { out?: string }) => {
        const file = writeReport(name, options.out ?? `${name}.html`);
        print(options, { file }, `wrote ${file}`);
      }),
    'everband report digits --out digits.html'
  );
}

/** Trials without a value come last either way. */
function sorted(rows: readonly TrialRow[], order: Order | undefined): readonly TrialRow[] {
  if (order === undefined) return rows;
  const down = order.startsWith('-');
  const key = order.replace('-', '') as 'id' | 'fate' | 'epochs' | 'value';
  return [...rows].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return x === y ? 0 : x < y === down ? 1 : -1;
  });
}

async function printStatus(name: string, status: StudyStatus): Promise<void> {
  const { study, best } = status;
  const unit = study?.budgetUnit ?? 'epochs';
  const bound = study && epochBound(study);
  const asynchronous = status.brackets.some((bracket) => bracket.asynchronous);
  console.log(
    `${name}: ${status.phase}, ${status.epochs}${bound === null ? '' : ` of ${bound}`} ${unit}, at most ${status.parallelism} trials at once`
  );
  if (best)
    console.log(
      `best:${best.trial && ` ${best.trial}`} ${study?.objective.metric} ${short(best.value)} at ${best.budget}`
    );
  const head = [
    ...['bracket', asynchronous ? 'rung' : 'round', 'budget', 'trials', 'promoted'],
    ...['stopped', 'diverged', 'failed', 'spent', 'best', 'state'],
  ];
  const rows = status.brackets.flatMap((bracket) =>
    bracket.rounds.map((round) => [
      ...[round.index === 0 ? bracket.id : '', round.index, `${round.from}-${round.to}`],
      ...[
        bracket.asynchronous ? round.entered : round.entered || round.planned,
        round.promoted,
        round.stopped,
        round.diverged,
        round.failed,
      ],
      ...[round.epochs, short(round.best), round.state],
    ])
  );
  console.log(table(head, rows));
  if (status.phase === 'done') return;
  const parked = await withClient(async (client) =>
    (await trainingNow(client, status)).flatMap(({ progress }) => progress.parked)
  );
  for (const { trial, attempts, reason } of parked)
    console.log(`parked: ${trial} after ${attempts} attempts: ${inOneLine(reason)} (everband retry ${name} ${trial})`);
}

/** What happened and the last line the trainer wrote, which in most languages names the error. */
function inOneLine(reason: string): string {
  const lines = reason.split('\n').filter((line) => line.trim() !== '');
  return lines.length < 2 ? reason : `${lines[0]}: ${lines.at(-1)?.trim()}`;
}

async function printLog(name: string, trial: string, options: { follow?: boolean }): Promise<void> {
  const file = path.join(studyFolder(stateDir(), name), 'logs', `${trial}.log`);
  if (!existsSync(file))
    throw new CliError(
      `no log of trial ${trial} of ${name} here (${file}). Fix: \`everband trials ${name}\` lists them; logs lie where its worker runs.`
    );
  let seen = statSync(file).size;
  if (seen > 0) await pipeline(createReadStream(file, { end: seen - 1 }), process.stdout, { end: false });
  if (!options.follow) return;
  watchFile(file, { interval: 500 }, ({ size }) => {
    if (size > seen) createReadStream(file, { start: seen, end: size - 1 }).pipe(process.stdout, { end: false });
    seen = size;
  });
  await new Promise(() => undefined);
}
