/** list, status, trials, logs, export, audit, report. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Option, type Command } from 'commander';
import { planOf, type Json as CoreJson } from '../../core/study.js';
import type { Best } from '../../core/engine/scheduler.js';
import type { Fate } from '../../core/trial.js';
import { exportCsv, exportJson, exportLate } from '../../report/export.js';
import { hasEnded, type StudyStatus, type TrialRow } from '../../workflows/messages.js';
import {
  auditStudy,
  getEpochs,
  getStanding,
  getLate,
  getPopulation,
  getTrials,
  listStudies,
  recorded,
  trainingNow,
  writeReport,
  type LateResults,
  type PopulationSoFar,
} from '../api.js';
import { withClient } from '../../cluster/connect.js';
import { lostText } from '../../workflows/web-ui.js';
import { lateRecords } from '../late.js';
import { printLog } from '../logs.js';
import { scheduleText } from '../schedule-text.js';
import { short, table } from '../terminal.js';
import { fixedColumns, cellsOf, lateText } from '../trial-columns.js';
import { troubleText, type Trouble } from '../../cluster/troubles.js';
import { columnNames, examples, print, studyName, trialId, type Json } from './arguments.js';

const fates = ['completed', 'outranked', 'stopped', 'diverged', 'failed', 'unfinished'] as const satisfies Fate[];
const orders = ['id', 'fate', 'epochs', 'value', '-epochs', '-value'] as const;
type Order = (typeof orders)[number];

/** Rows of the lineage that `status` shows. */
const maxLineage = 8;

export function addInspectCommands(program: Command): void {
  examples(
    program
      .command('list')
      .description('studies on the server and in the records')
      .option('--json', 'as JSON')
      .action(async (options: Json) => {
        const studies = await listStudies((message) =>
          console.error(`the list shows only what is recorded here, for the server cannot be asked: ${message}`)
        );
        const rows = studies.map(({ name, state, phase, best }) => [name, state, phase, short(best)]);
        const shown = [table(['study', 'state', 'phase', 'best'], rows), ...studies.flatMap(troubleLines)].join('\n');
        print(options, studies, rows.length === 0 ? 'no studies' : shown);
      }),
    'everband list',
    'everband list --json'
  );

  examples(
    program
      .command('status')
      .description('how a study stands; exit code 1 when something keeps it from going on')
      .argument('<study>', 'its name', studyName)
      .option('--json', 'as JSON')
      .action(async (name: string, options: Json) => {
        const { status, troubles } = await getStanding(name);
        const withLate = await getLate(name);
        const population = getPopulation(name);
        if (options.json) {
          console.log(JSON.stringify({ ...status, ...population, troubles, ...(withLate ? { withLate } : {}) }));
        } else await printStatus(name, status, troubles, withLate, population);
        if (troubles.length > 0) process.exitCode = 1;
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
      .option('--columns <names>', 'those, with commas between them, in this order', columnNames)
      .option('--json', 'as JSON')
      .addHelpText(
        'after',
        `
Columns: ${fixedColumns.join(', ')}, every parameter, and every number that the trainer reports beside
the objective, as it was at a trial's last epoch. seconds are of all its epochs, host is where the last one
was trained, lineage lists from whose checkpoints it went on, late what a late retry came to. Where one name says several of these, the first
of this order counts; config.NAME is the parameter and reported.NAME the number.`
      )
      .action(async (name: string, options: Json & { fate?: Fate; sort?: Order; columns?: string[] }) => {
        const all = await getTrials(name);
        const rows = sorted(
          all.filter((row) => options.fate === undefined || row.fate === options.fate),
          options.sort
        );
        const { value, text } = options.columns ? chosen(name, options.columns, rows, all) : everyTrial(rows);
        const none = 'no trial has been drawn yet';
        const nothing = options.fate === undefined ? none : `the study has no trial whose fate is ${options.fate}`;
        print(options, value, rows.length === 0 ? nothing : text);
      }),
    'everband trials digits --fate completed --sort -value',
    'everband trials digits --columns id,value,lr,gradientNorm,seconds,host'
  );

  examples(
    program
      .command('logs')
      .description("a trial's log: what its trainer printed; of what a terminal would obey, it shows the codes")
      .argument('<study>', 'its name', studyName)
      .argument('<trial>', 'its id', trialId)
      .option('-f, --follow', 'go on as it grows')
      .action(async (name: string, trial: string, options: { follow?: boolean }) =>
        printLog(name, trial, options.follow === true)
      ),
    'everband logs digits b3-t017 -f'
  );

  examples(
    program
      .command('export')
      .description('every trial, curve and reported number as CSV, and the record as JSON')
      .argument('<study>', 'its name', studyName)
      .option('--out <folder>', 'where to', '.')
      .option('--json', 'the names of the files as JSON')
      .addHelpText(
        'after',
        `
<study>.trials.csv    a row for every trial: how it ended, and its configuration
<study>.curves.csv    a row for every epoch: value, seconds, host, attempt and every number beside the objective
<study>.lineage.csv   a row for every time a trial went on from another one's checkpoint, if any did
<study>.schedule.csv  the configurations behind the best result, if there are several
<study>.json          the canonical record, as it was decided
<study>.late.json     late retries, and the best when they count, if there are any`
      )
      .action((name: string, options: Json & { out: string }) => {
        const record = recorded(name);
        const lates = lateRecords(name);
        mkdirSync(options.out, { recursive: true });
        const tables = Object.entries(exportCsv(record, (trial) => getEpochs(name, trial)));
        const files = {
          ...Object.fromEntries(tables.map(([of, text]) => [`${name}.${of}.csv`, text as string])),
          [`${name}.json`]: exportJson(record),
          ...(lates.length > 0 ? { [`${name}.late.json`]: exportLate(record, lates) } : {}),
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
      .command('audit')
      .description(
        'check that every decision of a closed study follows from what was reported, and that no byte changed'
      )
      .argument('<study>', 'its name', studyName)
      .option('--json', 'what is wrong, as JSON')
      .action((name: string, options: Json) => {
        const findings = auditStudy(name);
        const fine = `every decision of ${name} follows from what its trainers reported, and the record is unchanged`;
        print(options, findings, findings.length === 0 ? fine : findings.map(({ says }) => says).join('\n'));
        process.exitCode = findings.length === 0 ? 0 : 1;
      }),
    'everband audit digits'
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

/** What is printed of the trials that are listed. */
interface Listing {
  /** With --json. */
  readonly value: unknown;
  readonly text: string;
}

function everyTrial(rows: readonly TrialRow[]): Listing {
  const late = rows.some((row) => row.late) ? ['late'] : [];
  const cells = rows.map((row) => [
    ...[row.id, row.fate, row.epochs, short(row.value)],
    ...late.map(() => lateText(row) ?? ''),
    JSON.stringify(row.config),
  ]);
  return { value: rows, text: table(['trial', 'fate', 'epochs', 'value', ...late, 'configuration'], cells) };
}

/** `names` of the trials that are listed; null in JSON where a trial has no such value. */
function chosen(study: string, names: readonly string[], rows: readonly TrialRow[], all: readonly TrialRow[]): Listing {
  const cells = cellsOf(names, rows, all, (trial) => getEpochs(study, trial));
  return {
    value: cells.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null]))),
    text: table(
      names,
      cells.map((row) => row.map(cellText))
    ),
  };
}

function cellText(value: CoreJson | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return short(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
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

/** A line for each trouble of a study. */
function troubleLines({ troubles }: { readonly troubles: readonly Trouble[] }): string[] {
  return troubles.map((trouble) => `trouble: ${troubleText(trouble)}`);
}

async function printStatus(
  name: string,
  status: StudyStatus,
  troubles: readonly Trouble[],
  withLate: LateResults | null,
  { schedule, lineage = [] }: PopulationSoFar
): Promise<void> {
  const { study, best } = status;
  const unit = study?.budgetUnit ?? 'epochs';
  const bound = study && planOf(study).epochBound(study.limits);
  const step = status.brackets[0]?.step ?? 'round';
  console.log(
    `${name}: ${status.phase}, ${status.epochs}${bound === null ? '' : ` of ${bound}`} ${unit}, at most ${status.parallelism} trials at once`
  );
  const resultText = (one: Best) => `${one.trial} ${study?.objective.metric} ${short(one.value)} at ${one.budget}`;
  if (best) console.log(`best: ${resultText(best)}`);
  if (withLate?.best && withLate.best.trial !== best?.trial)
    console.log(`best with late retries: ${resultText(withLate.best)}`);
  if (schedule) {
    console.log(`its schedule, of which everband trials ${name} --columns id,value,lineage has the trials:`);
    console.log(scheduleText(schedule) + '\n');
  }
  if (lineage.length > 0) console.log(lineageText(lineage) + '\n');
  const head = [
    ...['bracket', step, 'budget', 'trials', 'promoted'],
    ...['stopped', 'diverged', 'failed', 'spent', 'best', 'state'],
  ];
  const rows = status.brackets.flatMap((bracket) =>
    bracket.rounds.map((round) => [
      ...[round.index === 0 ? bracket.id : '', round.index, `${round.from}-${round.to}`],
      ...[round.entered || round.planned, round.promoted, round.stopped, round.diverged, round.failed],
      ...[round.epochs, short(round.best?.value ?? null), round.state],
    ])
  );
  console.log(table(head, rows));
  for (const { trial, state, value, epochs, reason, workflowId, lost } of withLate?.trials ?? []) {
    const came = value === null ? '' : `, ${study?.objective.metric} ${short(value)} at ${epochs}`;
    const why = reason === undefined ? '' : `: ${inOneLine(reason)}`;
    console.log(`late retry: ${trial} ${state}${came}${why} (${workflowId})`);
    if (lost === true) console.log(lostText(name, trial));
  }
  for (const says of withLate?.wrong ?? []) console.log(`late retry: ${says}`);
  if (status.trouble !== null) console.log(`trouble: ${status.trouble}`);
  for (const line of troubleLines({ troubles })) console.log(line);
  if (hasEnded(status.phase)) return;
  const parked = await withClient(async (client) =>
    (await trainingNow(client, status, troubles)).flatMap(({ progress }) => progress.parked)
  );
  for (const { trial, attempts, reason } of parked)
    console.log(`parked: ${trial} after ${attempts} attempts: ${inOneLine(reason)} (everband retry ${name} ${trial})`);
}

/** The latest of the lineage, as far as rounds have closed or trials have come to rungs. */
function lineageText(lineage: NonNullable<PopulationSoFar['lineage']>): string {
  const rows = lineage
    .slice(-maxLineage)
    .map(({ trial, epoch, donor, donorEpoch = epoch }) => [trial, epoch, donor, donorEpoch]);
  const latest = lineage.length > rows.length ? `, the latest ${rows.length} of them` : '';
  const what = `exploits so far: ${lineage.length}${latest}`;
  return `${what}\n${table(['trial', 'after epoch', 'went on from', 'at epoch'], rows)}`;
}

/** What happened and the last line the trainer wrote, which in most languages names the error. */
function inOneLine(reason: string): string {
  const lines = reason.split('\n').filter((line) => line.trim() !== '');
  return lines.length < 2 ? reason : `${lines[0]}: ${lines.at(-1)?.trim()}`;
}
