/** Epochs against final value as one SVG: a panel per data set, every seed a point, means with their intervals. */
import type { Objective } from '../core/study.js';
import { count, escape, px, short } from '../report/markup.js';
import { lowerIsBetter, scaleOf, type Scale } from '../report/scale.js';
import type { Mean } from './summary.js';

export interface Cloud {
  readonly name: string;
  /** Epochs and final metric, one pair a seed. */
  readonly points: readonly (readonly [epochs: number, value: number])[];
  readonly epochs: Mean;
  readonly value: Mean;
}

export interface Panel {
  readonly title: string;
  readonly objective: Objective;
  /** The best value any curve of the data set has at R. */
  readonly best: number;
  readonly clouds: readonly Cloud[];
}

const panelWidth = 560;
const panelHeight = 400;
const inside = { left: 78, right: 540, top: 46, bottom: 346 };

/** Okabe and Ito's colours, told apart by most colour-blind eyes; then again with other marks. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8c6d00', '#3aa0d8', '#4d4d4d', '#7b3fa0', '#c21d4e'];
const marks: readonly ((r: number) => string)[] = [
  (r) => `<circle r="${px(r)}"/>`,
  (r) => `<rect x="${px(-0.88 * r)}" y="${px(-0.88 * r)}" width="${px(1.76 * r)}" height="${px(1.76 * r)}"/>`,
  (r) => `<path d="M0 ${px(-1.25 * r)}L${px(1.15 * r)} ${px(0.8 * r)}H${px(-1.15 * r)}Z"/>`,
  (r) => `<path d="M0 ${px(-1.3 * r)}L${px(1.3 * r)} 0L0 ${px(1.3 * r)}L${px(-1.3 * r)} 0Z"/>`,
  (r) => `<path d="M0 ${px(1.25 * r)}L${px(1.15 * r)} ${px(-0.8 * r)}H${px(-1.15 * r)}Z"/>`,
];

/** The mark of a run beyond the axis, and on which side of it that is. */
const above = { sign: '△', at: inside.top + 6, tip: -1 };
const below = { sign: '▽', at: inside.bottom - 6, tip: 1 };

/** `note` stands below the legend. */
export function figureSvg(panels: readonly Panel[], note: string): string {
  const names = [...new Set(panels.flatMap((panel) => panel.clouds.map(({ name }) => name)))];
  const columns = Math.min(panels.length, 2);
  const rows = Math.ceil(panels.length / columns);
  const width = columns * panelWidth;
  const legend = legendOf(names, width);
  const lines = wrapped(note, Math.floor((width - inside.left - 20) / 6.6));
  const height = rows * panelHeight + legend.height + 18 + 17 * lines.length;
  const drawn = panels.map((panel, i) => {
    const at = `translate(${(i % columns) * panelWidth} ${Math.floor(i / columns) * panelHeight})`;
    return `<g transform="${at}">${panelSvg(panel, names, i)}</g>`;
  });
  const label = `Epochs against final value on ${panels.map(({ title }) => title).join(', ')}.`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(label)}">` +
    `<style>text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#414b59}.title{font-size:16px;font-weight:650;fill:#1b2330}.n{font-variant-numeric:tabular-nums}.quiet{fill:#5c6675;font-size:12px}.grid{stroke:#e6e9ee}.box{fill:none;stroke:#c3c9d2}.best{stroke:#5c6675;stroke-dasharray:5 4}.seed{fill-opacity:.28}.beyond{fill:none;stroke-width:1.3;stroke-opacity:.75}.bar{stroke-width:2;fill:none}.mean{stroke:#fff;stroke-width:1.5}</style>` +
    `<rect width="${width}" height="${height}" fill="#fff"/>` +
    drawn.join('') +
    `<g transform="translate(0 ${rows * panelHeight})">${legend.svg}${lines.map((line, i) => `<text class="quiet" x="${inside.left}" y="${legend.height + 14 + 17 * i}">${escape(line)}</text>`).join('')}</g>` +
    `</svg>\n`
  );
}

function panelSvg({ title, objective, best, clouds }: Panel, names: readonly string[], index: number): string {
  const points = clouds.flatMap((cloud) => cloud.points);
  const epochs = points.map(([spent]) => spent);
  // The ends alone: every point lies inside, however many there are.
  const x = scaleOf([Math.min(...epochs), Math.max(...epochs)], { metric: 'epochs', mode: 'minimise' });
  const y = scaleOf([best, ...ends(points, clouds, objective)], objective);
  const across = (value: number) => inside.left + 10 + x.at(value) * (inside.right - inside.left - 20);
  const up = (value: number) => inside.bottom - 8 - y.at(value) * (inside.bottom - inside.top - 16);
  const isOutside = (value: number) => y.at(value) < 0 || y.at(value) > 1;
  const lower = lowerIsBetter(objective);
  const { sign, at: rim, tip } = lower ? above : below;
  const clip = `panel${index}`;
  const seeds = clouds.map((cloud) => {
    const { colour, mark } = looks(names, cloud.name);
    const at = (some: Cloud['points'], place: (value: number) => number, drawn: string) =>
      some.map(([spent, value]) => `<g transform="translate(${px(across(spent))} ${px(place(value))})">${drawn}</g>`);
    const dots = at(
      cloud.points.filter(([, value]) => !isOutside(value)),
      up,
      mark(3.6)
    );
    const beyond = at(
      cloud.points.filter(([, value]) => isOutside(value)),
      () => rim,
      `<path d="M-4 ${px(-3 * tip)}H4L0 ${px(4 * tip)}Z"/>`
    );
    return `<g class="seed" fill="${colour}">${dots.join('')}</g><g class="beyond" stroke="${colour}">${beyond.join('')}</g>`;
  });
  const means = clouds.map((cloud, i) => {
    // Those behind are larger, so that equal ones still show.
    const radius = 8.5 - (3.5 * i) / Math.max(clouds.length - 1, 1);
    const { colour, mark } = looks(names, cloud.name);
    const [cx, cy] = [px(across(cloud.epochs.mean)), px(up(cloud.value.mean))];
    const bars = `<path class="bar" stroke="${colour}" d="M${px(across(cloud.epochs.low))} ${cy}H${px(across(cloud.epochs.high))}M${cx} ${px(up(cloud.value.low))}V${px(up(cloud.value.high))}"/>`;
    const says = `${cloud.name}: ${short(cloud.epochs.mean)} epochs, ${short(cloud.value.mean, 6)}`;
    return `<g><title>${escape(says)}</title>${bars}<g class="mean" fill="${colour}" transform="translate(${cx} ${cy})">${mark(radius)}</g></g>`;
  });
  const better = `${lower ? 'lower' : 'higher'} is better`;
  const cut = points.map(([, value]) => value).filter(isOutside);
  const worst = cut.reduce((a, b) => (lower ? Math.max(a, b) : Math.min(a, b)), cut[0] ?? NaN);
  const runs = cut.length === 1 ? '1 run' : `${cut.length} runs`;
  const caption = cut.length === 0 ? '' : `; ${sign} ${runs} beyond the axis, to ${short(worst, 6)}`;
  return (
    `<clipPath id="${clip}"><rect x="${inside.left}" y="${inside.top}" width="${inside.right - inside.left}" height="${inside.bottom - inside.top}"/></clipPath>` +
    `<text class="title" x="${inside.left}" y="20">${escape(title)}</text>` +
    `<text class="quiet" x="${inside.left}" y="38">${better}${caption}</text>` +
    axes(x, y, across, up, objective.metric) +
    `<g clip-path="url(#${clip})"><line class="best" x1="${inside.left}" x2="${inside.right}" y1="${px(up(best))}" y2="${px(up(best))}"/>${seeds.join('')}${means.join('')}</g>` +
    `<rect class="box" x="${inside.left}" y="${inside.top}" width="${inside.right - inside.left}" height="${inside.bottom - inside.top}"/>`
  );
}

/** The best and the worst that must lie inside: all intervals, and all seeds but the worst twentieth. */
function ends(points: Cloud['points'], clouds: readonly Cloud[], objective: Objective): number[] {
  const values = points.map(([, value]) => value).sort((a, b) => a - b);
  const worst = lowerIsBetter(objective) ? values : values.reverse();
  const inner = worst.slice(0, Math.ceil(0.95 * worst.length));
  const all = [...inner, ...clouds.flatMap(({ value }) => [value.low, value.high])];
  return [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
}

function axes(
  x: Scale,
  y: Scale,
  across: (value: number) => number,
  up: (value: number) => number,
  metric: string
): string {
  const upright = x.ticks.map((value) => {
    const at = px(across(value));
    return `<line class="grid" x1="${at}" x2="${at}" y1="${inside.top}" y2="${inside.bottom}"/><text class="n" x="${at}" y="${inside.bottom + 18}" text-anchor="middle">${count(value)}</text>`;
  });
  const level = y.ticks.map((value) => {
    const at = px(up(value));
    return `<line class="grid" x1="${inside.left}" x2="${inside.right}" y1="${at}" y2="${at}"/><text class="n" x="${inside.left - 8}" y="${at}" dy=".35em" text-anchor="end">${short(value, 7)}</text>`;
  });
  const middle = (inside.top + inside.bottom) / 2;
  return (
    upright.join('') +
    level.join('') +
    `<text x="${(inside.left + inside.right) / 2}" y="${inside.bottom + 38}" text-anchor="middle">epochs${x.log ? ' (log)' : ''}</text>` +
    `<text transform="translate(18 ${middle}) rotate(-90)" text-anchor="middle">final ${escape(metric)}${y.log ? ' (log)' : ''}</text>`
  );
}

function looks(names: readonly string[], name: string): { colour: string; mark: (r: number) => string } {
  const index = names.indexOf(name);
  return {
    colour: colours[index % colours.length] as string,
    // 9 + 2 and 5 have no common divisor: a colour that comes again has another mark, five times over.
    mark: marks[(index + 2 * Math.floor(index / colours.length)) % marks.length] as (r: number) => string,
  };
}

/** As many lines as the names need. */
function legendOf(names: readonly string[], width: number): { svg: string; height: number } {
  const left = inside.left;
  let [x, line] = [left, 0];
  const entries = names.map((name) => {
    const wide = 34 + 7.4 * name.length;
    if (x + wide > width - 20 && x > left) [x, line] = [left, line + 1];
    const { colour, mark } = looks(names, name);
    const entry = `<g transform="translate(${px(x)} ${18 + line * 24})"><g fill="${colour}">${mark(6)}</g><text x="13" dy=".35em">${escape(name)}</text></g>`;
    x += wide;
    return entry;
  });
  return { svg: entries.join(''), height: 24 * (line + 1) + 12 };
}

/** Lines of at most `most` characters. */
function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= most) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
