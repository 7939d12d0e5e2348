/** The q-quantile with linear interpolation between order statistics (numpy's default), 0 <= q <= 1. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('quantile of no values');
  const sorted = [...values].sort((a, b) => a - b);
  return interpolated((i) => sorted[i] as number, sorted.length, q);
}

/** The same of `count` values in ascending order, of which only those it asks for have to be known. */
export function interpolated(at: (rank: number) => number, count: number, q: number): number {
  const position = (count - 1) * q;
  const below = Math.floor(position);
  const low = at(below);
  return low + (at(Math.min(below + 1, count - 1)) - low) * (position - below);
}
