/** The learning curves of a study as one drawing. */
import type { StudyRecord, TrialRecord } from '../core/record.js';
import { escape, plural, px, short } from './markup.js';
import { scaleOf, type Scale } from './scale.js';
import { fates } from './trials.js';

const width = 1040;
const height = 460;
const box = { left: 62, right: width - 22, top: 16, bottom: height - 44 };

/** Curves may leave out points that lie closer than this to the line through the others. */
const tolerance = 0.25;

type Point = readonly [x: number, y: number];

/** Grouped by fate, so that one switch hides a group; every curve carries the index of its trial. */
export function curvesSvg(record: StudyRecord): string {
  const indexed = record.trials.map((trial, index) => ({ trial, index }));
  const { metric } = record.objective;
  const y = scaleOf(
    record.trials.flatMap((trial) => trial.values),
    record.objective
  );
  const rungs = [...new Set(record.brackets.flatMap((bracket) => bracket.rounds.map((round) => round.to)))];
  const longest = record.trials.reduce((most, trial) => Math.max(most, trial.values.length), 1);
  const shownRungs = rungs.filter((rung) => rung <= longest).sort((a, b) => a - b);
  const logX = shownRungs.length > 2 && longest >= 8;
  const x = (epoch: number) => box.left + 12 + shareOf(epoch, longest, logX) * (box.right - box.left - 24);
  const place = (value: number) => box.bottom - y.at(value) * (box.bottom - box.top);

  const best = record.result.best?.trial;
  const drawing = (trial: TrialRecord) =>
    simplify(trial.values.map((value, i): Point => [x(i + 1), place(value)])).flatMap(([a, b]) => [px(a), px(b)]);
  const groups = [...fates].reverse().map((fate) => {
    const lines = indexed
      .filter(({ trial }) => trial.fate === fate && trial.values.length > 0)
      .sort((a, b) => Number(a.trial.id === best) - Number(b.trial.id === best))
      .map(({ trial, index }) => {
        const points = drawing(trial);
        const pairs = points.length === 2 ? [...points, ...points] : points;
        return `<polyline${trial.id === best ? ' class="best"' : ''} data-t="${index}" points="${pairs.join(' ')}"/>`;
      });
    return lines.length === 0 ? '' : `<g data-fate="${fate}" class="f-${fate}">${lines.join('')}</g>`;
  });

  const label = `Learning curves of ${plural(record.trials.length, 'trial')}: ${metric} by epoch. Arrow keys go from curve to curve.`;
  return (
    `<svg class="curves${record.trials.length > 150 ? ' dense' : ''}" viewBox="0 0 ${width} ${height}" role="group" tabindex="0" data-nav aria-label="${escape(label)}">` +
    `<defs><clipPath id="plot"><rect x="${box.left}" y="${box.top - 6}" width="${box.right - box.left + 6}" height="${box.bottom - box.top + 6}"/></clipPath>${markers()}</defs>` +
    axisY(y, place, metric) +
    axisX(shownRungs, longest, x, logX) +
    `<g clip-path="url(#plot)">${groups.join('')}</g></svg>`
  );
}

/** What a reader has to know about the axes. */
export function curvesNote(record: StudyRecord): string {
  const values = record.trials.flatMap((trial) => trial.values);
  const { log, cut } = scaleOf(values, record.objective);
  return [log ? 'Logarithmic values.' : '', cut ? 'The worst values lie outside the plot.' : ''].join(' ').trim();
}

function shareOf(epoch: number, longest: number, log: boolean): number {
  if (longest <= 1) return 0.5;
  return log ? Math.log(epoch) / Math.log(longest) : (epoch - 1) / (longest - 1);
}

function axisY(scale: Scale, place: (value: number) => number, metric: string): string {
  const ticks = scale.ticks.map((value) => {
    const at = px(place(value));
    return `<line class="grid" x1="${box.left}" x2="${box.right}" y1="${at}" y2="${at}"/><text x="${box.left - 8}" y="${at}" dy=".35em" text-anchor="end">${short(value)}</text>`;
  });
  const middle = (box.top + box.bottom) / 2;
  return `${ticks.join('')}<text class="axis" transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">${escape(metric)}${scale.log ? ' (log)' : ''}</text>`;
}

function axisX(rungs: readonly number[], longest: number, x: (epoch: number) => number, log: boolean): string {
  const ticks = rungs.length > 0 ? rungs : [1, longest];
  let free = Infinity;
  const lines = [...ticks].reverse().map((rung) => {
    const at = x(rung);
    const label =
      at <= free - 26 ? `<text x="${px(at)}" y="${box.bottom + 17}" text-anchor="middle">${rung}</text>` : '';
    if (label) free = at;
    return `<line class="grid rung" x1="${px(at)}" x2="${px(at)}" y1="${box.top}" y2="${box.bottom}"/>${label}`;
  });
  return `${lines.join('')}<text class="axis" x="${(box.left + box.right) / 2}" y="${height - 6}" text-anchor="middle">epoch${rungs.length > 0 ? ', a line at every rung' : ''}${log ? ' (log)' : ''}</text>`;
}

/** How a curve ends tells its fate without colour as well. */
function markers(): string {
  const shapes: Record<string, string> = {
    completed: '<circle cx="5" cy="5" r="3.2"/>',
    outranked: '<circle cx="5" cy="5" r="2"/>',
    stopped: '<path d="M5 1.4V8.6" class="stroke"/>',
    diverged: '<path d="M2 2L8 8M8 2L2 8" class="stroke"/>',
    failed: '<rect x="2" y="2" width="6" height="6"/>',
    unfinished: '<circle cx="5" cy="5" r="2.4" class="stroke"/>',
  };
  return fates
    .map(
      (fate) =>
        `<marker id="m-${fate}" class="f-${fate}" viewBox="0 0 10 10" refX="5" refY="5" markerWidth="10" markerHeight="10" markerUnits="userSpaceOnUse">${shapes[fate] ?? ''}</marker>`
    )
    .join('');
}

/** Ramer, Douglas and Peucker: fewer points, the same line to the eye. */
function simplify(points: readonly Point[]): readonly Point[] {
  if (points.length < 3) return points;
  const keep = new Set([0, points.length - 1]);
  const spans: [number, number][] = [[0, points.length - 1]];
  for (let span = spans.pop(); span; span = spans.pop()) {
    const [from, to] = span;
    const [ax, ay] = points[from] as Point;
    const [bx, by] = points[to] as Point;
    const length = Math.hypot(bx - ax, by - ay) || 1;
    let farthest = -1;
    let most = tolerance;
    for (let i = from + 1; i < to; i++) {
      const [cx, cy] = points[i] as Point;
      const away = Math.abs((bx - ax) * (ay - cy) - (ax - cx) * (by - ay)) / length;
      if (away > most) [farthest, most] = [i, away];
    }
    if (farthest === -1) continue;
    keep.add(farthest);
    spans.push([from, farthest], [farthest, to]);
  }
  return points.filter((_, i) => keep.has(i));
}
