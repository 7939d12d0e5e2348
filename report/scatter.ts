/** Two values of each trial against each other, with the line on which they are equal. */
import type { Objective } from '../core/study.js';
import { px, short } from './markup.js';
import { scaleOf } from './scale.js';

export interface Mark {
  /** Index of the trial. */
  readonly trial: number;
  /** Undefined where nobody knows: a tick at the left. */
  readonly x: number | undefined;
  readonly y: number;
  readonly stopped: boolean;
  /** What the tooltip says of it; plain numbers and words only. */
  readonly told: string;
}

const size = 420;
const box = { left: 58, right: size - 14, top: 14, bottom: size - 46 };

/** `names`, escaped: of the figure and its two axes. */
export function scatter(
  marks: readonly Mark[],
  names: { readonly figure: string; readonly x: string; readonly y: string },
  objective: Objective
): string {
  const scale = scaleOf(
    marks.flatMap(({ x, y }) => (x === undefined ? [y] : [x, y])),
    objective
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
  const drawn = ({ trial, x, y, told }: Mark) =>
    x === undefined
      ? `<line class="tick" data-t="${trial}" data-p="${told}" x1="${box.left - 7}" x2="${box.left + 7}" y1="${up(y)}" y2="${up(y)}"/>`
      : `<circle data-t="${trial}" data-p="${told}" cx="${across(x)}" cy="${up(y)}" r="4"/>`;
  const group = (stopped: boolean) =>
    marks
      .filter((mark) => mark.stopped === stopped)
      .map(drawn)
      .join('');
  const scaled = scale.log ? ' (log)' : '';
  return (
    `<svg class="scatter" viewBox="0 0 ${size} ${size}" role="group" tabindex="0" data-nav aria-label="${names.figure}. Arrow keys go from trial to trial.">` +
    `${grid.join('')}<line class="same" x1="${box.left}" y1="${box.bottom}" x2="${box.right}" y2="${box.top}"/>` +
    `<g class="f-stopped">${group(true)}</g><g class="f-completed">${group(false)}</g>` +
    `<text class="axis" x="${(box.left + box.right) / 2}" y="${size - 8}" text-anchor="middle">${names.x}${scaled}</text>` +
    `<text class="axis" transform="translate(12 ${(box.top + box.bottom) / 2}) rotate(-90)" text-anchor="middle">${names.y}${scaled}</text></svg>`
  );
}
