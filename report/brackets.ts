/** The brackets of a study: rows are brackets, columns the rungs their rounds train to, dots the trials by rank. */
import type { BracketRecord, RoundRecord, StudyRecord } from '../core/record.js';
import type { Fate } from '../core/trial.js';
import { count, escape, plural, short } from './markup.js';
import { roundWord } from './rounds.js';
import { fates } from './trials.js';

type Place = 'promoted' | Fate;
const places: readonly Place[] = ['completed', 'promoted', ...fates.slice(1)];

interface Dot {
  readonly trial: number;
  readonly place: Place;
}

/** Ranked trials best first, then those that never got to the rung. */
function dotsOf(round: RoundRecord, index: ReadonlyMap<string, number>, record: StudyRecord): Dot[] {
  const promoted = new Set(round.promoted);
  const ranked = round.ranking.map((one) => one.trial);
  const isRanked = new Set(ranked);
  const rest = round.trials.filter((id) => !isRanked.has(id));
  const dots = [...ranked, ...rest].map((id): Dot => {
    const trial = index.get(id) ?? -1;
    return { trial, place: promoted.has(id) ? 'promoted' : (record.trials[trial]?.fate ?? 'unfinished') };
  });
  const behind = (dot: Dot) => (isRanked.has(record.trials[dot.trial]?.id ?? '') ? -1 : places.indexOf(dot.place));
  return dots.sort((a, b) => behind(a) - behind(b));
}

export function bracketsTable(record: StudyRecord): string {
  const index = new Map(record.trials.map((trial, i) => [trial.id, i]));
  const rungs = [...new Set(record.brackets.flatMap((bracket) => bracket.rounds.map((round) => round.to)))];
  rungs.sort((a, b) => a - b);
  if (rungs.length === 0) return `<p class="quiet">No ${roundWord(record)} was closed.</p>`;
  const best = record.result.best;
  const bestIndex = best === null ? -1 : (index.get(best.trial) ?? -1);
  const rows = record.brackets.map((bracket) => {
    const cells = rungs.map((rung) => {
      const round = bracket.rounds.find((one) => one.to === rung);
      return round ? cellOf(round, dotsOf(round, index, record), bestIndex, roundWord(record)) : '<td></td>';
    });
    return `<tr><th scope="row">${escape(bracket.id)}<small>${bracketFacts(bracket)}</small></th>${cells.join('')}</tr>`;
  });
  const head = rungs.map((rung) => `<th scope="col">to epoch ${count(rung)}</th>`).join('');
  return `<div class="scroll"><table class="brackets"><thead><tr><th scope="col">bracket</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** The places that occur, for the legend. */
export function placesOf(record: StudyRecord): Place[] {
  const promoted = record.brackets.some((bracket) => bracket.rounds.some((round) => round.promoted.length > 0));
  return places.filter((place) => (place === 'promoted' ? promoted : record.result.fates[place] > 0));
}

function bracketFacts(bracket: BracketRecord): string {
  const epochs = bracket.rounds.reduce((sum, round) => sum + round.epochs, 0);
  return `${plural(bracket.rounds[0]?.trials.length ?? 0, 'trial')}<br>${plural(epochs, 'epoch')}`;
}

function cellOf(round: RoundRecord, dots: readonly Dot[], best: number, word: string): string {
  const told = places
    .map((place) => [dots.filter((dot) => dot.place === place).length, place] as const)
    .filter(([many]) => many > 0)
    .map(([many, place]) => `${many} ${place}`)
    .join(', ');
  const label = `${round.bracket} ${word} ${round.index}, to epoch ${round.to}: ${told}. Arrow keys go from trial to trial.`;
  const marks = dots.map(
    ({ trial, place }) => `<i class="d-${place}${trial === best ? ' top' : ''}" data-t="${trial}"></i>`
  );
  const [first] = round.ranking;
  return (
    `<td><div class="dots" role="group" tabindex="0" data-nav aria-label="${escape(label)}">${marks.join('')}</div>` +
    `<small>${told}${first ? `<br>best ${short(first.value)}` : ''}</small></td>`
  );
}
