/** Random values for tests of what is read at an edge. */
import fc from 'fast-check';

/** Any JSON, with the words that matter here more often than chance would have it. */
const word = fc.constantFrom(
  '__proto__',
  'constructor',
  '../x',
  '..',
  '',
  'loss',
  'b0-t000',
  'a\0b',
  '\ud800',
  '1e999',
  '-0',
  'NaN'
);
export const json = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, 1, 0.5, 2 ** 31, 2 ** 53, -1e308, 1e-320, 1e308),
    fc.string({ maxLength: 12 }),
    word,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(word, fc.string({ maxLength: 8 })), tie('any'), { maxKeys: 4 })
  ),
})).any;

/** A sound value in which some parts are replaced. */
export function damaged(sound: unknown): fc.Arbitrary<unknown> {
  const places = placesIn(sound);
  return fc
    .array(fc.tuple(fc.constantFrom(...places), fc.option(json, { nil: undefined })), { minLength: 1, maxLength: 3 })
    .map((edits) => {
      let value = structuredClone(sound);
      for (const [place, put] of edits) value = replaced(value, place, put);
      return value;
    });
}

function placesIn(value: unknown): (string | number)[][] {
  if (value === null || typeof value !== 'object') return [[]];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return [
    [],
    ...keys.flatMap((key) => placesIn((value as Record<string | number, unknown>)[key]).map((rest) => [key, ...rest])),
  ];
}

function replaced(value: unknown, [key, ...rest]: readonly (string | number)[], put: unknown): unknown {
  if (key === undefined) return put;
  if (value === null || typeof value !== 'object') return value;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string | number, unknown>;
  copy[key] = replaced(copy[key], rest, put);
  return copy;
}
