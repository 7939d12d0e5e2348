/** The toy problem of the paper on population-based training. */
import assert from 'node:assert/strict';
import { checkConfig, type SegmentOutcome, type Study, type StudyRecord } from '../../core/index.js';
import type { Source, Trial } from '../../core/trial.js';

export const toyProblem = {
  space: { h0: { type: 'float', low: 0, high: 1 }, h1: { type: 'float', low: 0, high: 1 } },
  objective: { metric: 'Q', mode: 'maximise' },
} as const;

/** Two trials, each of which sees but one half of the problem. */
export const halves = [
  { h0: 1, h1: 0 },
  { h0: 0, h1: 1 },
];

/**
 * Maximises Q = 1.2 - (t0^2 + t1^2) by gradient ascent on the surrogate 1.2 - (h0 t0^2 + h1 t1^2). A state that is kept by
 * trial and epoch stands for checkpoints. `rate`: of the steps, by the epoch as what the checkpoint holds counts it.
 */
export class Toy {
  readonly sources: (readonly [trial: string, source: Source])[] = [];
  private readonly states = new Map<string, { readonly age: number; readonly at: readonly [number, number] }>();

  constructor(private readonly rate: (age: number) => number = () => 0.02) {}

  readonly train = (
    trial: Trial,
    from: number,
    to: number,
    _round?: unknown,
    source?: Source,
    shift = 0
  ): SegmentOutcome => {
    if (source) this.sources.push([trial.id, source]);
    const begin = source ? `${source.trial} ${source.epoch}` : `${trial.id} ${from}`;
    let state = from === 0 ? ({ age: 0, at: [0.9, 0.9] } as const) : this.states.get(begin);
    assert.ok(state, `no checkpoint ${begin}`);
    assert.equal(state.age, from + shift, `what the checkpoint of ${begin} holds`);
    const values: number[] = [];
    for (let epoch = from + 1; epoch <= to; epoch++) {
      const { h0, h1 } = trial.config as { h0: number; h1: number };
      const age: number = state.age + 1;
      const rate = this.rate(age);
      state = { age, at: [state.at[0] * (1 - rate * h0), state.at[1] * (1 - rate * h1)] };
      this.states.set(`${trial.id} ${epoch}`, state);
      values.push(1.2 - (state.at[0] ** 2 + state.at[1] ** 2));
    }
    return { outcome: 'completed', values };
  };
}

/** What one trial comes to that follows the schedule of the best by itself. */
export function followed(study: Study, best: NonNullable<StudyRecord['result']['best']>, alone: Toy): number {
  let last = NaN;
  let before = 0;
  for (const { from, to, config } of best.schedule ?? []) {
    assert.equal(from, before);
    assert.deepEqual(checkConfig(study.space, config), []);
    const trial: Trial = { id: 'alone', bracket: 'b0', index: 0, globalIndex: 0, config, seed: 0 };
    last = alone.train(trial, from, to).values.at(-1) ?? NaN;
    before = to;
  }
  return last;
}
