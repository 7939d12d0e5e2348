/** The rounds of a study (rungs, with ASHA) and what was decided inside them, one row each. */
import type { DecisionRecord, RoundRecord, StudyRecord } from '../core/record.js';
import { escape, plural, short } from './markup.js';

export const roundsOf = (record: StudyRecord): RoundRecord[] => record.brackets.flatMap((bracket) => bracket.rounds);

/** ASHA has no rounds: trials pass its rungs one by one. */
export const roundWord = ({ scheduler }: StudyRecord) => (scheduler.type === 'asha' ? 'rung' : 'round');

export function roundsTable(record: StudyRecord): string {
  const rounds = roundsOf(record);
  if (rounds.length === 0) return `<p class="quiet">No ${roundWord(record)} was closed.</p>`;
  const decided = rounds.some((round) => round.decision !== null);
  const { type } = record.predictor;
  const moves = type === 'fast' || type === 'median' || record.scheduler.type === 'asha';
  const head = [roundWord(record), 'epochs', 'entered', 'reached', 'promoted', 'trained', 'best'];
  const more = ['decides at', 'unasked', 'asked', 'stopped', moves ? 'last threshold' : 'threshold'];
  // The median rule learns no model.
  if (type !== 'median') more.push('learnt from');
  const rows = rounds.map((round) => {
    const [first] = round.ranking;
    const cells = [
      `<th scope="row">${escape(round.bracket)} <small>${roundWord(record)} ${round.index}</small></th>`,
      number(`${round.from} to ${round.to}`),
      ...[round.trials.length, round.ranking.length, round.promoted.length, round.epochs].map(number),
      number(first ? short(first.value) : ''),
    ];
    if (decided)
      cells.push(decisionCells(round) ?? `<td colspan="${more.length}" class="quiet">no decision point</td>`);
    return `<tr>${cells.join('')}</tr>`;
  });
  const names = [...head, ...(decided ? more : [])];
  const headCells = names.map((name, i) => `<th scope="col"${i === 0 ? '' : ' class="n"'}>${name}</th>`);
  return `<div class="scroll" tabindex="0" role="region" aria-label="Rounds"><table><thead><tr>${headCells.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;

  function decisionCells({ decision, from, to }: RoundRecord): string | null {
    // A round of one epoch has no epoch inside at which Fast-Hyperband could ask.
    if (decision === null || (decision.epoch === null && to - from === 1)) return null;
    return [
      number(decision.epoch === null ? 'every epoch' : `epoch ${decision.epoch}`),
      ...[decision.sentOn.length, decision.predictions.length].map(number),
      number(decision.predictions.filter((one) => !one.goesOn).length),
      number(decision.threshold === null ? '' : short(decision.threshold)),
      type === 'median' ? '' : learntFrom(decision),
    ].join('');
  }
}

const number = (value: string | number) => `<td class="n">${value}</td>`;

function learntFrom({ error, trainedOn }: DecisionRecord): string {
  if (error !== undefined) return `<td class="n wrap">no model: ${escape(error)}</td>`;
  return number(trainedOn === 0 ? '' : plural(trainedOn, 'curve'));
}
