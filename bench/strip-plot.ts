/** Distributions side by side as one SVG: a point per value, a box from quartile to quartile, a line at the median. */
import { quantile } from '../core/quantile.js';
import { stream } from '../core/rng.js';

export interface Panel {
  readonly title: string;
  readonly groups: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const left = 100;
const right = 70;
const width = 860;
const rowHeight = 30;
const panelHead = 34;
const panelFoot = 26;

/**
 * Panels under one another on one scale from `low` to `high`; values below `low` are drawn at its edge as a count.
 */
export function stripPlot(panels: readonly Panel[], label: string, [low, high] = [0.4, 1]): string {
  const x = (value: number) => left + ((Math.max(value, low) - low) / (high - low)) * (width - left - right);
  const out: string[] = [];
  let top = 10;
  for (const { title, groups } of panels) {
    const bottom = top + panelHead + groups.length * rowHeight;
    out.push(`<text x="${left}" y="${top + 18}" class="title">${escape(title)}</text>`);
    for (let tick = Math.ceil(low * 10); tick <= high * 10; tick++) {
      const at = x(tick / 10).toFixed(1);
      out.push(`<line x1="${at}" x2="${at}" y1="${top + panelHead - 6}" y2="${bottom}" class="grid"/>`);
      out.push(`<text x="${at}" y="${bottom + 15}" class="tick">${(tick / 10).toFixed(1)}</text>`);
    }
    groups.forEach(({ name, values }, i) => {
      const middle = top + panelHead + (i + 0.5) * rowHeight;
      out.push(`<text x="${left - 10}" y="${middle + 4}" class="name">${escape(name)}</text>`);
      const inside = values.filter((value) => value >= low);
      const random = stream(i, name);
      for (const value of inside) {
        const y = middle + (random.uniform() - 0.5) * 16;
        out.push(`<circle cx="${x(value).toFixed(1)}" cy="${y.toFixed(1)}" r="1.8"/>`);
      }
      const [from, median, to] = [0.25, 0.5, 0.75].map((q) => x(quantile(values, q))) as [number, number, number];
      const size = `width="${(to - from).toFixed(1)}" height="18"`;
      out.push(`<rect x="${from.toFixed(1)}" y="${middle - 9}" ${size}/>`);
      const at = median.toFixed(1);
      out.push(`<line x1="${at}" x2="${at}" y1="${middle - 9}" y2="${middle + 9}" class="median"/>`);
      if (inside.length < values.length) {
        const below = `${values.length - inside.length} below`;
        out.push(`<text x="${left + 3}" y="${middle - 5}" class="below">${below}</text>`);
      }
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      out.push(`<text x="${width - right + 10}" y="${middle + 4}" class="mean">${mean.toFixed(3)}</text>`);
    });
    top = bottom + panelFoot;
  }
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + 18}" width="${width}" height="${top + 18}" ` +
    `role="img" aria-label="${escape(label)}">`;
  const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 13px }
.name { text-anchor: end } .tick { text-anchor: middle; fill: #777; font-size: 11px } .below { fill: #777; font-size: 10px }
.grid { stroke: #e4e4e4 } circle { fill: #2563eb; fill-opacity: 0.35 }
rect { fill: none; stroke: #1e3a8a } .median { stroke: #b91c1c; stroke-width: 2 }
</style><rect width="100%" height="100%" style="fill: #fff; stroke: none"/>`;
  const legend = `<text x="${left}" y="${top + 8}" class="tick" style="text-anchor: start">${escape(label)}: a point per split, box from quartile to quartile, red median; right: mean</text>`;
  return [head, style, ...out, legend, '</svg>', ''].join('\n');
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
