/** One rung of an asynchronous scheduler: results by rank, and who was promoted. */
import { fromBase64, toBase64 } from '../base64.js';
import { interpolated } from '../quantile.js';

export interface RungState {
  /** Trials that came to the rung, those without a loss there included. */
  readonly arrived: number;
  /** Those of them that have a loss there. */
  readonly measured: number;
  /** By rank: base64 of the losses, little-endian float64. */
  readonly losses: string;
  /** By rank: base64 of little-endian uint32, the trial's index, with the highest bit set when it is promoted. */
  readonly trials: string;
}

interface Entry {
  readonly trial: number;
  readonly loss: number;
  promoted: boolean;
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
   * `trials`: most that can ever come here, so that whoever falls below their top share is forgotten. That is all of the
   * study, at every rung: where each trial is better than all before, every one is promoted.
   */
  constructor(
    private readonly eta: number,
    trials: number,
    state?: RungState
  ) {
    this.kept = Math.floor(trials / eta) + 2;
    this.arrived = state?.arrived ?? 0;
    this.measured = state?.measured ?? 0;
    if (!state) return;
    const losses = viewOf(state.losses);
    const trialBits = viewOf(state.trials);
    for (let i = 0; i < trialBits.byteLength / 4; i++) {
      const bits = trialBits.getUint32(4 * i, true);
      this.ranked.push({
        trial: bits % promotedBit,
        loss: losses.getFloat64(8 * i, true),
        promoted: bits >= promotedBit,
      });
    }
  }

  get state(): RungState {
    const losses = new DataView(new ArrayBuffer(8 * this.ranked.length));
    const trials = new DataView(new ArrayBuffer(4 * this.ranked.length));
    this.ranked.forEach(({ trial, loss, promoted }, i) => {
      losses.setFloat64(8 * i, loss, true);
      trials.setUint32(4 * i, promoted ? trial + promotedBit : trial, true);
    });
    return {
      arrived: this.arrived,
      measured: this.measured,
      losses: toBase64(new Uint8Array(losses.buffer)),
      trials: toBase64(new Uint8Array(trials.buffer)),
    };
  }

  /** The q-quantile of the losses here, for q up to 1 / eta; null when there are none. */
  quantile(q: number): number | null {
    if (this.measured === 0) return null;
    return interpolated((rank) => (this.ranked[rank] as Entry).loss, this.measured, q);
  }

  add(trial: number, loss: number | null): void {
    this.arrived++;
    if (loss === null) return;
    this.measured++;
    let low = 0;
    let high = this.ranked.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.ranked[middle] as Entry;
      if (other.loss < loss || (other.loss === loss && other.trial < trial)) low = middle + 1;
      else high = middle;
    }
    this.ranked.splice(low, 0, { trial, loss, promoted: false });
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

function viewOf(text: string): DataView {
  return new DataView(fromBase64(text).buffer);
}
