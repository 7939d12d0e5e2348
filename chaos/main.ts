/** `npm run chaos`: looks for the next fault. docs/reliability.md says what it injects and what must hold. */
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { prepare } from './environment.js';
import { faults, kinds, type Kind } from './faults/index.js';
import { drawRound, selected, type Selection } from './plan.js';
import { tableOf } from './report.js';
import { runRound } from './round.js';
import { lineOf, search, textOf, type Failure } from './search.js';
import { endRounds } from './stage.js';

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly kind: readonly Kind[];
  readonly studies: number;
  readonly reruns: number;
  readonly json?: string;
  readonly verbose?: boolean;
  readonly round?: number;
  readonly onlyFaults?: readonly number[];
  readonly onlyStudies?: readonly number[];
}

const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('It must be a number of 0 or more.');
  return value;
};
const whole = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number of 0 or more.');
  return Number(text);
};
const numbers = (text: string): number[] => (text === '' ? [] : text.split(',').map(whole));
const kindsOf = (text: string): Kind[] => {
  const all = text.split(',');
  const wrong = all.filter((one) => !(one in faults));
  if (wrong.length > 0)
    throw new InvalidArgumentError(`There is no kind ${wrong.join(', ')}; the kinds are ${kinds.join(', ')}.`);
  return all as Kind[];
};

const program = new Command()
  .name('npm run chaos --')
  .description('random faults over random studies, until the time is over or something is wrong')
  .option('--minutes <n>', 'no round begins later', number, 3)
  .option('--seed <n>', 'draws rounds, studies and faults', whole, 1)
  .option('--kind <kinds>', 'only these, separated by commas', kindsOf, kinds)
  .option('--studies <n>', 'in each round', whole, 3)
  .option('--reruns <n>', 'most runs that make a failing round smaller; 0: it is not even repeated', whole, 12)
  .option('--json <file>', 'writes the result')
  .option('--verbose', 'prints what happens in each round')
  .option('--round <n>', 'only this round of the seed', whole)
  .option('--only-faults <numbers>', 'of that round, counted from 0', numbers)
  .option('--only-studies <numbers>', 'of that round, counted from 0', numbers)
  .addHelpText('after', `\nkinds:\n${kinds.map((kind) => `  ${kind.padEnd(16)}${faults[kind].says}`).join('\n')}`);

async function main(options: Options): Promise<number> {
  const python = prepare();
  if (python === null)
    console.log('python/.venv is missing (npm run setup -- --python): trainers in Python are left out');
  const hear = (line: string) => void (options.verbose && console.log(line));
  const { seed, kind, studies, round } = options;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      console.error(`ended by ${signal}: what was started is ended, too`);
      void endRounds().then(() => process.exit(signal === 'SIGINT' ? 130 : 143));
    });
  }
  if (round !== undefined) {
    const plan = drawRound(seed, round, kind, studies);
    const outcome = await runRound(
      selected(plan, { studies: options.onlyStudies ?? null, faults: options.onlyFaults ?? null }),
      { python, hear: (line) => console.log(line) }
    );
    console.log(lineOf(outcome));
    for (const problem of outcome.problems) console.log(`  ${problem}`);
    if (outcome.kept) console.log(`files: ${outcome.kept}`);
    if (options.json) writeFileSync(options.json, JSON.stringify({ seed, rounds: [outcome] }, null, 1));
    return outcome.problems.length === 0 ? 0 : 1;
  }
  const result = await search({ ...options, kinds: kind, python, say: (line) => console.log(line), hear });
  console.log(`\n${tableOf(result.rounds, kind)}`);
  if (options.json) writeFileSync(options.json, JSON.stringify({ seed, ...result }, null, 1));
  if (!result.failure) {
    console.log(`seed ${seed}: nothing was found`);
    return 0;
  }
  tell(result.failure, options);
  return 1;
}

function tell({ outcome, again, of, shrunk }: Failure, options: Options): void {
  const { seed, round, problems, events, kept } = shrunk?.outcome ?? outcome;
  console.log(`\nFOUND with seed ${seed} in round ${round}${of > 0 ? `; of ${of} repetitions ${again} failed` : ''}`);
  for (const problem of problems) console.log(`  ${problem}`);
  console.log(`what happened:\n${events.map((event) => `  ${event}`).join('\n')}`);
  if (kept) console.log(`files: ${kept}`);
  const selection: Selection = shrunk?.selection ?? { studies: null, faults: null };
  if (shrunk) console.log(`made smaller in ${shrunk.runs} runs to ${textOf(selection)}`);
  const chosen = options.kind.length === kinds.length ? '' : ` --kind ${options.kind.join(',')}`;
  const part = [
    selection.faults ? ` --only-faults ${selection.faults.join(',') || "''"}` : '',
    selection.studies ? ` --only-studies ${selection.studies.join(',')}` : '',
  ].join('');
  console.log(`again: npm run chaos -- --seed ${seed}${chosen} --studies ${options.studies} --round ${round}${part}`);
}

main(program.parse().opts<Options>()).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error((error as Error).message);
    process.exit(1);
  }
);
