/** The losses of a study's trials, out of its record: for questions that name trials. */
import { modeOf } from '../core/objectives/index.js';
import { Curves } from '../core/engine/curves.js';
import type { KeptGroup } from '../core/engine/material.js';
import type { PredictTask } from '../core/engine/work.js';
import type { PredictionRequest } from '../core/predictors/request.js';
import type { Study } from '../core/study.js';
import type { Stretch } from '../workflows/activity-types.js';
import { readGroups } from './record-store.js';
import type { Restorer } from './restore.js';

/** One study is kept: Fast-Hyperband asks thousands of times, and a predictor knows a training set by identity. */
export class StudyCurves {
  private kept: { readonly study: string; readonly curves: Curves } | null = null;

  constructor(
    private readonly stateDir: string,
    private readonly restorer: Restorer
  ) {}

  /** @throws Error for a trial whose losses are nowhere */
  async request(study: Study, task: PredictTask, known: readonly Stretch[]): Promise<PredictionRequest> {
    const key = JSON.stringify(study);
    if (this.kept?.study !== key) this.kept = { study: key, curves: new Curves(modeOf(study.objective)) };
    const { curves } = this.kept;
    /** From which epoch on the question itself brings a trial's losses. */
    const brought = new Map<string, number>();
    for (const { trial, from } of known) brought.set(trial, Math.min(from, brought.get(trial) ?? Infinity));
    const lacks = (trial: string, epochs: number) => !curves.has(trial, Math.min(epochs, brought.get(trial) ?? epochs));
    const missing = () => [
      ...task.training.filter((trial) => lacks(trial, task.rung)),
      ...task.candidates.filter((trial) => lacks(trial, task.epochs)),
    ];
    if (missing().length > 0) this.read(study.name, curves);
    const lost = missing();
    const brackets = new Set(lost.map((trial) => trial.slice(0, trial.lastIndexOf('-'))));
    for (const bracket of brackets) await this.restorer.curves(study, bracket);
    if (lost.length > 0) this.read(study.name, curves);
    for (const { trial, from, values } of known) curves.add(trial, from, values);
    return curves.request(task);
  }

  private read(study: string, curves: Curves): void {
    const groups: KeptGroup[] = readGroups(this.stateDir, study).sort((a, b) => a.from - b.from);
    for (const { outcomes, from } of groups) {
      // What is missing before is missing: who needs it will say so.
      for (const { id, values } of outcomes) if (curves.has(id, from)) curves.add(id, from, values);
    }
  }
}
