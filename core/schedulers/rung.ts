/** One rung of an asynchronous scheduler: results by rank, and who was promoted. */
import { fromBase64, toBase64 } from '../base64.js';
import type { Result } from '../objectives/definition.js';
import { interpolated } from '../quantile.js';

export interface RungState {
  /** Trials that came to the rung, those without a loss there included. */
  readonly arrived: number;
  /** Those of them that have a loss there. */
  readonly measured: number;
  /** By rank: base64 of the losses, little-endian float64. */
  readonly losses: string;
  /** By rank: base64 of every further metric, little-endian float64, NaN for null; absent: the study names none. */
  readonly metrics?: Readonly<Record<string, string>>;
  /** By rank: base64 of little-endian uint32, the trial's index, with the highest bit set when it is promoted. */
  readonly trials: string;
}

interface Entry extends Result {
  readonly trial: number;
  promoted: boolean;
}

/** Bytes of state a trial costs here with so many further metrics. */
export function bytesPerRanked(metrics: number): number {
  return ((12 + 8 * metrics) * 4) / 3;
}

const promotedBit = 0x80000000;

export class Rung {
  /** Best first, ties by trial; only those that may still be promoted, and whoever ranks before them. */
  private readonly ranked: Entry[] = [];
  private arrived: number;
  private measured: number;
  /** How many of the first in rank are known to be promoted: looking again makes thousands of trials slow. */
  private passed = 0;
  private readonly kept: number;

  /**
   * `compare`: the objective's. `trials`: most that can ever come here, so that whoever falls below their top share is forgotten. That is all of the
   * study, at every rung: where each trial is better than all before, every one is promoted.
   */
  constructor(
    private readonly eta: number,
    private readonly compare: (a: Result, b: Result) => number,
    trials: number,
    state?: RungState
  ) {
    this.kept = Math.floor(trials / eta) + 2;
    this.arrived = state?.arrived ?? 0;
    this.measured = state?.measured ?? 0;
    if (!state) return;
    const losses = viewOf(state.losses);
    const trialBits = viewOf(state.trials);
    const metrics = Object.entries(state.metrics ?? {}).map(([name, text]) => [name, viewOf(text)] as const);
    for (let i = 0; i < trialBits.byteLength / 4; i++) {
      const bits = trialBits.getUint32(4 * i, true);
      this.ranked.push({
        trial: bits % promotedBit,
        loss: losses.getFloat64(8 * i, true),
        ...(metrics.length > 0
          ? { metrics: Object.fromEntries(metrics.map(([name, view]) => numberAt(name, view, i))) }
          : {}),
        promoted: bits >= promotedBit,
      });
    }
  }

  get state(): RungState {
    const trials = new DataView(new ArrayBuffer(4 * this.ranked.length));
    this.ranked.forEach(({ trial, promoted }, i) => {
      trials.setUint32(4 * i, promoted ? trial + promotedBit : trial, true);
    });
    const names = Object.keys(this.ranked[0]?.metrics ?? {});
    const metrics = names.map((name) => [name, packed(this.ranked.map((one) => one.metrics?.[name] ?? NaN))] as const);
    return {
      arrived: this.arrived,
      measured: this.measured,
      losses: packed(this.ranked.map(({ loss }) => loss)),
      ...(metrics.length > 0 ? { metrics: Object.fromEntries(metrics) } : {}),
      trials: toBase64(new Uint8Array(trials.buffer)),
    };
  }

  /** The q-quantile of the losses here, for q up to 1 / eta; null when there are none. */
  quantile(q: number): number | null {
    if (this.measured === 0) return null;
    return interpolated((rank) => (this.ranked[rank] as Entry).loss, this.measured, q);
  }

  add(trial: number, result: Result | null): void {
    this.arrived++;
    if (result === null) return;
    this.measured++;
    let low = 0;
    let high = this.ranked.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.ranked[middle] as Entry;
      if ((this.compare(other, result) || other.trial - trial) < 0) low = middle + 1;
      else high = middle;
    }
    this.ranked.splice(low, 0, { trial, ...result, promoted: false });
    this.passed = Math.min(this.passed, low);
    if (this.ranked.length > this.kept) this.ranked.length = this.kept;
  }

  /** The best of the top 1/eta that has not been promoted; those without a loss count, and never are. */
  promotable(): number | null {
    const top = Math.min(Math.floor(this.arrived / this.eta), this.ranked.length);
    for (; this.passed < top; this.passed++) {
      const { trial, promoted } = this.ranked[this.passed] as Entry;
      if (!promoted) return trial;
    }
    return null;
  }

  promote(trial: number): void {
    const entry = this.ranked.find((one) => one.trial === trial);
    if (!entry) throw new RangeError(`trial ${trial} cannot be promoted from here`);
    entry.promoted = true;
  }
}

function packed(numbers: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((number, i) => view.setFloat64(8 * i, number, true));
  return toBase64(new Uint8Array(view.buffer));
}

function numberAt(name: string, view: DataView, i: number): [string, number | null] {
  const number = view.getFloat64(8 * i, true);
  return [name, Number.isNaN(number) ? null : number];
}

function viewOf(text: string): DataView {
  return new DataView(fromBase64(text).buffer);
}
