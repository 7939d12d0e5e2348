import assert from 'node:assert/strict';
import fc from 'fast-check';
import { stream } from '../../core/rng.js';
import { configKey, drawConfig, inOrder } from '../../core/space.js';
import type { SearchSpace } from '../../core/study.js';
import { spaceCube, tableCube, type Point } from '../../core/unit-cube.js';

const mixed: SearchSpace = {
  kind: { type: 'choice', values: ['sgd', 'adam', { own: [1] }] },
  lr: { type: 'float', low: 1e-5, high: 1, log: true },
  momentum: { type: 'float', low: 0, high: 0.9, log: false, step: 0.1, when: { parameter: 'kind', in: ['sgd'] } },
  stepped: { type: 'float', low: 0.5, high: 40, log: true, step: 0.5 },
  dropout: { type: 'float', low: -1, high: 0.5, log: false },
  width: { type: 'int', low: 1, high: 64, log: true, step: 1 },
  even: { type: 'int', low: 2, high: 128, log: true, step: 2 },
  layers: { type: 'int', low: 1, high: 9, log: false, step: 2 },
  three: { type: 'fixed', value: 3 },
  one: { type: 'choice', values: ['only'] },
  same: { type: 'int', low: 4, high: 4, log: false, step: 1 },
};

describe('unit cube', () => {
  const cube = spaceCube(mixed);

  it('has a dimension for every parameter that can vary', () => {
    // dropout, even, kind, layers, lr, momentum, stepped, width.
    assert.deepEqual(cube.levels, [0, 0, 3, 0, 0, 0, 0, 0]);
  });

  it('gives back the configuration it encoded, inactive parameters left out', () => {
    for (let seed = 0; seed < 500; seed++) {
      const config = drawConfig(inOrder(mixed), stream(seed, 'cube'));
      const point = cube.encode(config);
      assert.equal(point[5] === null, config['kind'] !== 'sgd');
      for (const [d, x] of point.entries()) assert.ok(x === null || d === 2 || (x >= 0 && x <= 1), `${d}: ${x}`);
      const again = cube.decode(point.map((x) => x ?? 0.3));
      const { lr, dropout, ...exact } = config;
      const { lr: lrAgain, dropout: dropoutAgain, ...exactAgain } = again;
      assert.equal(configKey(exactAgain), configKey(exact));
      assert.ok(Math.abs((lrAgain as number) / (lr as number) - 1) < 1e-13);
      assert.ok(Math.abs((dropoutAgain as number) - (dropout as number)) < 1e-13);
    }
  });

  it('snaps to where the decoded configuration lies', () => {
    const axis = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), fc.array(axis, { minLength: 7, maxLength: 7 }), (kind, rest) => {
        const point: Point = [...rest.slice(0, 2), kind, ...rest.slice(2)];
        const snapped = cube.snap(point);
        const encoded = cube.encode(cube.decode(point));
        encoded.forEach((x, d) => assert.ok(x === null || x === snapped[d]));
        assert.equal(snapped[2], kind);
        assert.ok(Math.abs((snapped[0] as number) - (point[0] as number)) < 1e-12, 'a continuous one stays');
        assert.ok(
          Math.abs((snapped[3] as number) - (point[3] as number)) <= 0.1 + 1e-12,
          'five layers: cells of a fifth'
        );
      })
    );
  });

  it('takes the numeric columns of a table that vary, wide ones in their logarithm', () => {
    const rows = [
      { lr: 1e-5, width: 10, constant: 1, text: 'a', row: 0 },
      { lr: 1e-3, width: 20, constant: 1, text: 'b', row: 1 },
      { lr: 1e-1, width: 40, constant: 1, text: 'c', row: 2 },
    ];
    const { levels, encode } = tableCube(rows);
    assert.deepEqual(levels, [0, 0]);
    const points = rows.map((row) => encode(row).map((x) => Number((x as number).toFixed(12))));
    assert.deepEqual(points, [
      [0, 0],
      [0.5, 0.333333333333],
      [1, 1],
    ]);
    assert.deepEqual(tableCube([{ row: 0 }, { row: 1 }]).levels, []);
  });
});
