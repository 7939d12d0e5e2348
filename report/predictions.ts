/** Decision points: what was predicted or measured there, what was decided, and what came of it. */
import { prunerOf } from '../core/pruners/index.js';
import type { StudyRecord } from '../core/record.js';
import { count, escape, short } from './markup.js';
import { roundWord, roundsOf } from './rounds.js';
import { lowerIsBetter } from './scale.js';
import { scatter, type Mark } from './scatter.js';

/** What the figure is called; null for a study whose trials nobody is asked about. */
export function decisionsTitle({ pruner }: StudyRecord): string | null {
  const { compares } = prunerOf(pruner);
  if (compares === undefined) return null;
  return compares === 'loss' ? 'Values against thresholds' : 'Predictions against truth';
}

export function decisionsFigure(record: StudyRecord): string {
  return prunerOf(record.pruner).compares === 'loss' ? valuesFigure(record) : predictionsFigure(record);
}

/** Truth across, prediction up; a tick at the left for each trial that was stopped, whose truth nobody knows. */
function predictionsFigure(record: StudyRecord): string {
  const marks = marksOf(record, ({ predicted }, values, round, goesOn) => {
    if (predicted === null) return null;
    const truth = goesOn ? values[round.to - 1] : undefined;
    const told = `predicted ${short(predicted)}${truth === undefined ? '' : `, came to ${short(truth)}`}`;
    return { x: truth, y: predicted, told };
  });
  if (marks.length === 0)
    return `<p class="quiet">No trial was predicted: the ${roundWord(record)}s below say why.</p>`;
  const known = marks.filter((one): one is Mark & { x: number } => one.x !== undefined);
  const errors = known.map(({ x, y }) => Math.abs(y - x)).sort((a, b) => a - b);
  const middle = errors[Math.floor(errors.length / 2)];
  const metric = escape(record.objective.metric);
  const names = {
    figure: `Predicted against true ${metric}`,
    x: `true ${metric} at the rung`,
    y: `predicted ${metric}`,
  };
  const often = prunerOf(record.pruner).onePerRound
    ? ' Trials are asked about after every epoch: their last answer is shown.'
    : '';
  return figure(
    // A trial that went on and never reached its rung has no truth, and is no stopped one either.
    scatter(
      marks.filter(({ x, stopped }) => x !== undefined || stopped),
      names,
      record.objective
    ),
    [
      ['predicted', count(marks.length)],
      ...fatesOf(marks),
      ['median error', middle === undefined || !Number.isFinite(middle) ? 'unknown' : short(middle, 3)],
    ],
    'A dot is a trial that went on and reached its rung: on the diagonal the prediction was right. ' +
      `A tick at the left is a trial stopped on its prediction; its true value was never trained for.${often}`
  );
}

/** The value a trial had to beat across, its own up, both at the decision point. */
function valuesFigure(record: StudyRecord): string {
  const marks = marksOf(record, ({ threshold, epoch }, values, { decision }) => {
    const value = values[(epoch ?? decision?.epoch ?? 0) - 1];
    if (threshold === undefined || value === undefined) return null;
    return { x: threshold, y: value, told: `had ${short(value)}, the threshold ${short(threshold)}` };
  });
  if (marks.length === 0) {
    return '<p class="quiet">No trial was compared: too few came to a decision point before it.</p>';
  }
  const metric = escape(record.objective.metric);
  const names = {
    figure: `${metric} at the decision point against the threshold there`,
    x: `threshold for ${metric}`,
    y: `${metric} at the decision point`,
  };
  return figure(
    scatter(marks, names, record.objective),
    [['compared', count(marks.length)], ...fatesOf(marks)],
    `A dot is a trial at its decision point: ${lowerIsBetter(record.objective) ? 'above' : 'below'} the diagonal it was ` +
      'worse than its threshold, and stopped.'
  );
}

type Round = ReturnType<typeof roundsOf>[number];
type Prediction = NonNullable<Round['decision']>['predictions'][number];

/** A mark for every trial asked about of which `place` knows where to put it. */
function marksOf(
  record: StudyRecord,
  place: (
    asked: Prediction,
    values: readonly number[],
    round: Round,
    goesOn: boolean
  ) => Omit<Mark, 'trial' | 'stopped'> | null
): Mark[] {
  const index = new Map(record.trials.map((trial, i) => [trial.id, i]));
  return roundsOf(record).flatMap((round) =>
    (round.decision?.predictions ?? []).flatMap((asked) => {
      const trial = index.get(asked.trial) ?? -1;
      const placed = place(asked, record.trials[trial]?.values ?? [], round, asked.goesOn);
      return placed ? [{ ...placed, trial, stopped: !asked.goesOn }] : [];
    })
  );
}

function fatesOf(marks: readonly Mark[]): [string, string][] {
  const stopped = marks.filter((mark) => mark.stopped).length;
  return [
    ['went on', count(marks.length - stopped)],
    ['stopped', count(stopped)],
  ];
}

function figure(svg: string, facts: readonly (readonly [string, string])[], about: string): string {
  const terms = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('');
  return `<div class="figure">${svg}<div><dl class="facts small">${terms}</dl><p class="quiet">${about}</p></div></div>`;
}
