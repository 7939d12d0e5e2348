/** Decision points: what was predicted, what was decided, and what came of it. */
import type { RoundRecord, StudyRecord } from '../core/record.js';
import { count, escape, plural, px, short } from './markup.js';
import { scaleOf } from './scale.js';

interface Prediction {
  readonly trial: number;
  readonly predicted: number;
  /** The metric at the rung; undefined for a stopped trial and one that never got there. */
  readonly truth: number | undefined;
  readonly goesOn: boolean;
}

const roundsOf = (record: StudyRecord): RoundRecord[] => record.brackets.flatMap((bracket) => bracket.rounds);

function predictionsOf(record: StudyRecord): Prediction[] {
  const index = new Map(record.trials.map((trial, i) => [trial.id, i]));
  return roundsOf(record).flatMap((round) =>
    (round.decision?.predictions ?? []).flatMap(({ trial: id, predicted, goesOn }) => {
      const trial = index.get(id) ?? -1;
      const truth = goesOn ? record.trials[trial]?.values[round.to - 1] : undefined;
      return predicted === null ? [] : [{ trial, predicted, truth, goesOn }];
    })
  );
}

const size = 420;
const box = { left: 58, right: size - 14, top: 14, bottom: size - 46 };

/** Truth across, prediction up; a tick at the left for each trial that was stopped, whose truth nobody knows. */
export function predictionsFigure(record: StudyRecord): string {
  const all = predictionsOf(record);
  if (all.length === 0) {
    return `<p class="quiet">${record.predictor.type === 'none' ? 'This study ran without a predictor.' : 'No trial was predicted: the rounds below say why.'}</p>`;
  }
  const known = all.filter((one): one is Prediction & { truth: number } => one.truth !== undefined);
  const stopped = all.filter((one) => !one.goesOn);
  const scale = scaleOf(
    all.flatMap((one) => (one.truth === undefined ? [one.predicted] : [one.predicted, one.truth])),
    record.objective
  );
  const inside = (share: number) => Math.min(Math.max(share, 0), 1);
  const across = (value: number) => px(box.left + inside(scale.at(value)) * (box.right - box.left));
  const up = (value: number) => px(box.bottom - inside(scale.at(value)) * (box.bottom - box.top));
  const grid = scale.ticks.map(
    (tick, i) =>
      `<line class="grid" x1="${box.left}" x2="${box.right}" y1="${up(tick)}" y2="${up(tick)}"/><line class="grid" y1="${box.top}" y2="${box.bottom}" x1="${across(tick)}" x2="${across(tick)}"/>` +
      `<text x="${box.left - 12}" y="${up(tick)}" dy=".35em" text-anchor="end">${short(tick)}</text>` +
      (scale.ticks.length <= 7 || i % 2 === 0
        ? `<text x="${across(tick)}" y="${box.bottom + 17}" text-anchor="middle">${short(tick)}</text>`
        : '')
  );
  const ticks = stopped.map(
    ({ trial, predicted }) =>
      `<line class="tick" data-t="${trial}" x1="${box.left - 7}" x2="${box.left + 7}" y1="${up(predicted)}" y2="${up(predicted)}"/>`
  );
  const dots = known.map(
    ({ trial, predicted, truth }) =>
      `<circle data-t="${trial}" data-p="predicted ${short(predicted)}, came to ${short(truth)}" cx="${across(truth)}" cy="${up(predicted)}" r="4"/>`
  );
  const errors = known.map((one) => Math.abs(one.predicted - one.truth)).sort((a, b) => a - b);
  const middle = errors[Math.floor(errors.length / 2)];
  const facts: [string, string][] = [
    ['predicted', count(all.length)],
    ['sent on', count(all.length - stopped.length)],
    ['stopped', count(stopped.length)],
    ['median error', middle === undefined || !Number.isFinite(middle) ? 'unknown' : short(middle, 3)],
  ];
  const metric = escape(record.objective.metric);
  const scaled = scale.log ? ' (log)' : '';
  return (
    `<div class="figure"><svg class="scatter" viewBox="0 0 ${size} ${size}" role="group" tabindex="0" data-nav aria-label="Predicted against true ${metric}. Arrow keys go from trial to trial.">` +
    `${grid.join('')}<line class="same" x1="${box.left}" y1="${box.bottom}" x2="${box.right}" y2="${box.top}"/>` +
    `<g class="f-stopped">${ticks.join('')}</g><g class="f-completed">${dots.join('')}</g>` +
    `<text class="axis" x="${(box.left + box.right) / 2}" y="${size - 8}" text-anchor="middle">true ${metric} at the rung${scaled}</text>` +
    `<text class="axis" transform="translate(12 ${(box.top + box.bottom) / 2}) rotate(-90)" text-anchor="middle">predicted ${metric}${scaled}</text></svg>` +
    `<div><dl class="facts small">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>` +
    `<p class="quiet">A dot is a trial that was sent on and reached its rung: on the diagonal the prediction was right. ` +
    `A tick at the left is a trial stopped on its prediction; its true value was never trained for.</p></div></div>`
  );
}

/** One row a round. */
export function roundsTable(record: StudyRecord): string {
  const rounds = roundsOf(record);
  if (rounds.length === 0) return '<p class="quiet">No round was closed.</p>';
  const decided = rounds.some((round) => round.decision !== null);
  const head = ['round', 'epochs', 'entered', 'reached', 'promoted', 'trained', 'best'];
  const more = ['decides at', 'sent on', 'asked', 'stopped', 'threshold', 'learnt from'];
  const number = (value: string | number) => `<td class="n">${value}</td>`;
  const rows = rounds.map((round) => {
    const { decision } = round;
    const [first] = round.ranking;
    const cells = [
      `<th scope="row">${escape(round.bracket)} <small>round ${round.index}</small></th>`,
      number(`${round.from} to ${round.to}`),
      ...[round.trials.length, round.ranking.length, round.promoted.length, round.epochs].map(number),
      number(first ? short(first.value) : ''),
    ];
    if (decided && decision === null) cells.push(`<td colspan="${more.length}" class="quiet">no decision point</td>`);
    if (decision !== null) {
      cells.push(
        number(`epoch ${decision.epoch}`),
        ...[decision.sentOn.length, decision.predictions.length].map(number),
        number(decision.predictions.filter((one) => !one.goesOn).length),
        number(decision.threshold === null ? '' : short(decision.threshold)),
        decision.error === undefined
          ? number(decision.trainedOn === 0 ? '' : plural(decision.trainedOn, 'curve'))
          : `<td class="n wrap">no model: ${escape(decision.error)}</td>`
      );
    }
    return `<tr>${cells.join('')}</tr>`;
  });
  const names = [...head, ...(decided ? more : [])];
  const headCells = names.map((name) => `<th scope="col"${name === 'round' ? '' : ' class="n"'}>${name}</th>`);
  return `<div class="scroll" tabindex="0" role="region" aria-label="Rounds"><table><thead><tr>${headCells.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}
