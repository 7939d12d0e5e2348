import assert from 'node:assert/strict';
import { figureSvg, type Panel } from '../../simulate/figure.js';

const cloud = (name: string, from: number) => {
  const points = Array.from({ length: 7 }, (_, i): [number, number] => [from + i, 0.5 + i / 100]);
  return {
    name,
    points,
    epochs: { mean: from + 3, low: from + 1, high: from + 5 },
    value: { mean: 0.53, low: 0.51, high: 0.55 },
  };
};
const panel = (title: string): Panel => {
  const clouds = [cloud('hyperband', 300), cloud('swift', 250), cloud('asha', 299)];
  return { title, objective: { metric: 'loss', mode: 'minimise' }, best: 0.49, clouds };
};

describe('figure of a comparison', () => {
  it('has every seed, every mean with its interval, and every algorithm in the legend', () => {
    const svg = figureSvg([panel('one'), panel('two'), panel('three')], 'a note');
    assert.equal(svg.match(/class="bar"/g)?.length, 9);
    const seeds = [...svg.matchAll(/<g class="seed"[^>]*>(.*?)<\/g><\/?(?=g)/g)];
    assert.ok(seeds.length > 0);
    assert.equal(svg.match(/<g transform="translate\([^)]*\)"><(circle|rect|path)/g)?.length, 3 * 3 * 7);
    for (const name of ['hyperband', 'swift', 'asha']) assert.match(svg, new RegExp(`dy=".35em">${name}<`));
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  });

  it('keeps every mean inside, whatever the outliers', () => {
    const one = panel('outliers');
    const [first] = one.clouds;
    const far = { ...cloud('random', 300), points: [...(first?.points ?? []), [300, 1e6] as const] };
    const svg = figureSvg([{ ...one, clouds: [...one.clouds, far] }], '');
    assert.match(svg, /lower is better; △ 1 run beyond the axis, to 1000000</);
    assert.equal(svg.match(/<g transform="translate\([^)]*\)"><(circle|rect|path)/g)?.length, 4 * 7 + 1, 'every seed');
    assert.match(svg, /class="beyond" stroke="[^"]*"><g transform="translate\(\S+ 52\)">/);
    for (const [, y] of svg.matchAll(/class="mean"[^>]*translate\(\S+ (\S+)\)/g)) {
      assert.ok(Number(y) > 46 && Number(y) < 346, y);
    }
  });

  it('gives 45 algorithms 45 looks', () => {
    const clouds = Array.from({ length: 45 }, (_, i) => cloud(`a${i}`, 300));
    const svg = figureSvg([{ ...panel('many'), clouds }], '');
    const looks = [...svg.matchAll(/<g fill="(#[0-9a-f]+)">(<[^>]*>)<\/g><text x="13"/g)].map(
      ([, a, b]) => `${a} ${b}`
    );
    assert.equal(looks.length, 45);
    assert.equal(new Set(looks).size, 45);
  });

  it('draws a single run and escapes names', () => {
    const same = { mean: 5, low: 5, high: 5 };
    const one = { name: '<b>', points: [[5, 5] as const], epochs: same, value: same };
    const svg = figureSvg(
      [{ title: 'a & b', objective: { metric: 'x<y', mode: 'maximise' }, best: 5, clouds: [one] }],
      ''
    );
    assert.doesNotMatch(svg, /NaN|<b>|x<y|a & b/);
  });
});
