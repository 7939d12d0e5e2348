/** The rounds or rungs of a study and what was decided inside them, one row each. */
import { prunerOf } from '../core/pruners/index.js';
import type { DecisionRecord, RoundRecord, StudyRecord } from '../core/record.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { escape, plural, short } from './markup.js';

export const roundsOf = (record: StudyRecord): RoundRecord[] => record.brackets.flatMap((bracket) => bracket.rounds);

/** What the steps of a bracket are called: trials come to a round together, to a rung one by one. */
export const roundWord = ({ scheduler }: StudyRecord) => schedulerOf(scheduler).step;

/** What the section of the steps is called. */
export const sectionOf = (record: StudyRecord) => (roundWord(record) === 'rung' ? 'Rungs' : 'Rounds');

export function roundsTable(record: StudyRecord): string {
  const rounds = roundsOf(record);
  if (rounds.length === 0) return `<p class="quiet">No ${roundWord(record)} was closed.</p>`;
  const decided = rounds.some((round) => round.decision !== null);
  const { compares, movingThreshold, points } = prunerOf(record.pruner);
  const moves = (movingThreshold ?? false) || roundWord(record) === 'rung';
  const head = [roundWord(record), 'epochs', 'entered', 'reached', 'promoted', 'trained', 'best'];
  const more = ['decides at', 'unasked', 'asked', 'stopped', moves ? 'last threshold' : 'threshold'];
  // A pruner that compares what was measured learns nothing.
  if (compares !== 'loss') more.push('learnt from');
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
  return `<div class="scroll" tabindex="0" role="region" aria-label="${sectionOf(record)}"><table><thead><tr>${headCells.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;

  function decisionCells({ decision, from, to }: RoundRecord): string | null {
    // A round of one epoch has none inside at which anybody could be asked about.
    if (decision === null || points(record.pruner, from, to).length === 0) return null;
    return [
      number(decision.epoch === null ? 'every epoch' : `epoch ${decision.epoch}`),
      ...[decision.sentOn.length, decision.predictions.length].map(number),
      number(decision.predictions.filter((one) => !one.goesOn).length),
      number(decision.threshold === null ? '' : short(decision.threshold)),
      compares === 'loss' ? '' : learntFrom(decision),
    ].join('');
  }
}

const number = (value: string | number) => `<td class="n">${value}</td>`;

function learntFrom({ error, trainedOn }: DecisionRecord): string {
  if (error !== undefined) return `<td class="n wrap">no predictor: ${escape(error)}</td>`;
  return number(trainedOn === 0 ? '' : plural(trainedOn, 'curve'));
}
