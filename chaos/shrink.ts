/** Makes a failing round smaller: fewer faults, then fewer studies, within so many runs. */
import type { RoundOutcome } from './round.js';
import type { Selection } from './plan.js';

/** A round that still failed with less, and how many runs that took. */
export interface Shrunk {
  readonly selection: Selection;
  readonly outcome: RoundOutcome;
  readonly runs: number;
}

interface Whole {
  readonly studies: readonly number[];
  readonly faults: readonly number[];
}

/** `run` carries out a part of the round. Halves are left out first, then single ones. */
export async function shrink(
  whole: Whole,
  outcome: RoundOutcome,
  runs: number,
  run: (selection: Selection) => Promise<RoundOutcome>
): Promise<Shrunk> {
  let best: Whole = whole;
  let last = outcome;
  let used = 0;
  const fails = async (part: Whole): Promise<boolean> => {
    if (used >= runs) return false;
    used++;
    const tried = await run(part);
    if (tried.problems.length === 0) return false;
    best = part;
    last = tried;
    return true;
  };
  for (const key of ['faults', 'studies'] as const) {
    // Without a study there is nothing to look at.
    const least = key === 'studies' ? 1 : 0;
    for (let size = Math.ceil(best[key].length / 2); size >= 1 && used < runs;) {
      let smaller = false;
      for (let at = 0; at < best[key].length && used < runs; at += size) {
        const rest = best[key].filter((_, i) => i < at || i >= at + size);
        if (rest.length < least || rest.length === best[key].length) continue;
        if (await fails({ ...best, [key]: rest })) {
          smaller = true;
          break;
        }
      }
      if (!smaller) size = size === 1 ? 0 : Math.ceil(size / 2);
      else size = Math.min(size, Math.max(1, Math.ceil(best[key].length / 2)));
    }
  }
  return { selection: best, outcome: last, runs: used };
}
