/** A trial's curve: the canonical numbers of its epochs, those that an objective or a pruner names. */

/** The numbers of one epoch, by name; null where one was not finite. */
export type Numbers = Readonly<Record<string, number | null>>;

/** All canonical numbers of an epoch. */
export interface EpochNumbers {
  /** The objective's metric. */
  readonly value: number;
  /** The further metrics that the study names; absent: it names none. */
  readonly metrics?: Numbers;
}

export interface Curve {
  /** The objective's metric as the trainer reported it, one per epoch; always finite. */
  readonly values: readonly number[];
  /**
   * Every further metric that the study names (core/metrics.ts), each as long as `values`; null where it was not finite.
   * Absent: it names none, or there is no epoch.
   */
  readonly metrics?: Readonly<Record<string, readonly (number | null)[]>> | undefined;
}

export const noEpochs: Curve = { values: [] };

/** A curve that grows. */
export class GrowingCurve implements Curve {
  readonly values: number[] = [];
  private readonly named = new Map<string, (number | null)[]>();

  constructor(start: Curve = noEpochs) {
    this.add(start);
  }

  get metrics(): Curve['metrics'] {
    return this.named.size > 0 ? Object.fromEntries(this.named) : undefined;
  }

  /** One epoch more. */
  push(value: number, numbers: Numbers | undefined): void {
    this.values.push(value);
    if (!numbers) return;
    for (const [name, number] of Object.entries(numbers)) {
      const known = this.named.get(name) ?? [];
      known.push(number);
      this.named.set(name, known);
    }
  }

  add(more: Curve): void {
    for (const [i, value] of more.values.entries()) this.push(value, numbersAt(more, i));
  }
}

/** One curve after the other. */
export function joined(first: Curve, then: Curve): Curve {
  const whole = new GrowingCurve(first);
  whole.add(then);
  return cut(whole, 0);
}

/** The epochs from index `from` up to `to`, which is not included. @default to the end */
export function cut({ values, metrics }: Curve, from: number, to?: number): Curve {
  const part = { values: values.slice(from, to) };
  if (!metrics) return part;
  const own = Object.entries(metrics).map(([name, numbers]) => [name, numbers.slice(from, to)] as const);
  return { ...part, metrics: Object.fromEntries(own) };
}

/** All numbers of an epoch, by its index; null for an epoch that is not there. */
export function epochAt(curve: Curve, index: number): EpochNumbers | null {
  const value = curve.values[index];
  if (value === undefined) return null;
  const metrics = numbersAt(curve, index);
  return { value, ...(metrics ? { metrics } : {}) };
}

/** The further numbers of an epoch, by its index; undefined where the study names none. */
export function numbersAt({ metrics }: Curve, index: number): Numbers | undefined {
  if (!metrics) return undefined;
  return Object.fromEntries(Object.entries(metrics).map(([name, numbers]) => [name, numbers[index] ?? null]));
}

/** Whether two curves are the same up to the end of the first. */
export function begins(first: Curve, whole: Curve): boolean {
  const same = (some: readonly unknown[], all: readonly unknown[] = []) => some.every((one, i) => one === all[i]);
  const names = Object.entries(first.metrics ?? {});
  return same(first.values, whole.values) && names.every(([name, some]) => same(some, whole.metrics?.[name]));
}
