/** Round after round until the time is over or one fails; a failure is repeated and made smaller. */
import type { Kind } from './faults/index.js';
import { drawRound, selected, type RoundPlan, type Selection } from './plan.js';
import { runRound, type RoundOutcome } from './round.js';
import { shrink, type Shrunk } from './shrink.js';

/** How often a round that failed is carried out again. */
const repeats = 3;

export interface SearchOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly kinds: readonly Kind[];
  /** Studies in each round. */
  readonly studies: number;
  /** Most runs that make a failing round smaller. */
  readonly reruns: number;
  readonly python: string | null;
  readonly say: (line: string) => void;
  /** Hears everything that happens in a round. */
  readonly hear: (line: string) => void;
}

export interface Failure {
  readonly outcome: RoundOutcome;
  /** How many of how many repetitions failed again. */
  readonly again: number;
  readonly of: number;
  readonly shrunk: Shrunk | null;
}

export interface SearchResult {
  readonly rounds: readonly RoundOutcome[];
  readonly failure: Failure | null;
}

export async function search(options: SearchOptions): Promise<SearchResult> {
  const { minutes, seed, kinds, studies, say, python, hear } = options;
  const rounds: RoundOutcome[] = [];
  const until = Date.now() + minutes * 60_000;
  for (let round = 0; Date.now() < until; round++) {
    const plan = drawRound(seed, round, kinds, studies);
    const outcome = await runRound(plan, { python, hear });
    rounds.push(outcome);
    say(lineOf(outcome));
    if (outcome.problems.length > 0) return { rounds, failure: await investigate(plan, outcome, options) };
  }
  return { rounds, failure: null };
}

/** Says how often a failure comes again, and looks for a smaller round that fails. */
async function investigate(plan: RoundPlan, outcome: RoundOutcome, options: SearchOptions): Promise<Failure> {
  const { reruns, say, python, hear } = options;
  for (const problem of outcome.problems) say(`  ${problem}`);
  if (reruns === 0) return { outcome, again: 0, of: 0, shrunk: null };
  const run = async (selection: Selection) => runRound(selected(plan, selection), { python, hear });
  let again = 0;
  for (let i = 0; i < repeats; i++) {
    const repeated = await run({ studies: null, faults: null });
    say(`again, ${i + 1} of ${repeats}: ${lineOf(repeated)}`);
    for (const problem of repeated.problems) say(`  ${problem}`);
    if (repeated.problems.length > 0) again++;
  }
  const whole = { studies: plan.studies.map((_, i) => i), faults: plan.faults.map(({ number }) => number) };
  const shrunk = await shrink(whole, outcome, reruns, async (selection) => {
    const smaller = await run(selection);
    say(`smaller, ${textOf(selection)}: ${lineOf(smaller)}`);
    return smaller;
  });
  return { outcome, again, of: repeats, shrunk };
}

export function lineOf({ round, seconds, studies, injected, problems }: RoundOutcome): string {
  const epochs = studies.reduce((sum, one) => sum + one.epochs, 0);
  const again = studies.reduce((sum, one) => sum + one.again, 0);
  const kinds = Object.entries(injected).map(([kind, count]) => (count === 1 ? kind : `${kind} ${count}`));
  const end = problems.length === 0 ? 'all is well' : `${problems.length} PROBLEMS`;
  const what = `${studies.length} studies, ${epochs} epochs, ${again} again`;
  return `round ${round}, ${seconds.toFixed(0)} s: ${kinds.join(', ') || 'no fault'}; ${what}; ${end}`;
}

export function textOf({ studies, faults }: Selection): string {
  return `studies ${studies?.join(',') ?? 'all'}, faults ${faults?.join(',') || 'none'}`;
}
