import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { exp, log, pow } from '../../core/math.js';

/** A fixed sequence of numbers in [0, 1), without any function that engines may round as they like. */
function* sequence(): Generator<number, never> {
  for (let state = 1; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 4294967296;
  }
}

/** Arguments of every size: a factor of 1 to 2 times a power of two. */
function samples(count: number, exponents: number): number[] {
  const numbers = sequence();
  return Array.from({ length: count }, () => {
    const exponent = Math.floor((numbers.next().value * 2 - 1) * exponents);
    let x = 1 + numbers.next().value + numbers.next().value / 4294967296;
    for (let i = 0; i < Math.abs(exponent); i++) x *= exponent < 0 ? 0.5 : 2;
    return x;
  });
}

const near = (ours: number, engine: number) => Math.abs(ours - engine) <= 5e-16 * Math.abs(engine);

describe('math', () => {
  it('has exp and log within two units in the last place of the engine', () => {
    for (let x = -700; x < 700; x += 0.037) assert.ok(near(exp(x), Math.exp(x)), `exp(${x})`);
    for (const x of samples(10_000, 1000)) assert.ok(near(log(x), Math.log(x)), `log(${x})`);
    for (let x = 0.5; x < 2; x += 0.00037) assert.ok(near(log(x), Math.log(x)), `log(${x})`);
  });

  it('has pow within two units in the last place of the engine', () => {
    const numbers = sequence();
    for (const x of samples(10_000, 40)) {
      const y = (numbers.next().value - 0.5) * 40;
      const engine = Math.pow(x, y);
      if (engine > 1e-300 && engine < 1e300) assert.ok(near(pow(x, y), engine), `pow(${x}, ${y})`);
    }
  });

  it('has integer powers exact where a number can hold them', () => {
    let checked = 0;
    for (let x = 2; x < 1000; x++) {
      for (let y = 1; BigInt(x) ** BigInt(y) <= 2n ** 53n; y++) {
        assert.equal(pow(x, y), Number(BigInt(x) ** BigInt(y)), `${x} to the ${y}`);
        assert.equal(pow(-x, y), Number(BigInt(-x) ** BigInt(y)), `${-x} to the ${y}`);
        checked++;
      }
    }
    assert.ok(checked > 5000);
    for (let y = -1074, power = 5e-324; y < 1024; y++, power *= 2) assert.equal(pow(2, y), power, `2 to the ${y}`);
  });

  it('has the special values of the standard', () => {
    assert.deepEqual([exp(0), exp(-0), exp(-1000), exp(1000)], [1, 1, 0, Infinity]);
    assert.deepEqual([exp(Infinity), exp(-Infinity), exp(NaN)], [Infinity, 0, NaN]);
    assert.deepEqual([log(1), log(0), log(-0), log(-1)], [0, -Infinity, -Infinity, NaN]);
    assert.deepEqual([log(Infinity), log(NaN)], [Infinity, NaN]);
    assert.deepEqual([exp(-745), log(5e-324)], [5e-324, -744.4400719213812]);
    const special = [0, -0, 1, -1, 2, -2, 0.5, -0.5, 1e300, 3, -3, Infinity, -Infinity, NaN];
    for (const x of special) {
      for (const y of special) {
        const [ours, engine] = [pow(x, y), Math.pow(x, y)];
        assert.ok(Object.is(ours, engine) || near(ours, engine), `pow(${x}, ${y}) = ${ours}, not ${engine}`);
      }
    }
  });

  it('gives the same bits on every engine', () => {
    const exponents = samples(3000, 9).map((x, i) => (i % 2 === 0 ? x : -x));
    const bases = samples(3000, 60);
    const values = [
      ...exponents.map(exp),
      ...samples(3000, 1000).map(log),
      ...exponents.map((y, i) => pow(bases[i] as number, y / 8)),
    ];
    const bytes = Buffer.alloc(values.length * 8);
    values.forEach((value, i) => bytes.writeDoubleBE(value, i * 8));
    assert.equal(
      createHash('sha256').update(bytes).digest('hex'),
      'ea6b4988391ebea3e1b06f5c95f71dce781f9113b2a1ce49dd138ad51d608127'
    );
  });
});
