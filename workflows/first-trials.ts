/** Sees that a study cannot run at all: its first trials fail in the same way, and nothing has ever trained. */
import { defineSignal, getExternalWorkflowHandle, patched } from '@temporalio/workflow';
import { failureSignature, reasonWithKind } from '../core/failures.js';
import type { FailureKind } from '../core/settings.js';
import { workflowIds } from './messages.js';

/** Why a study cannot go on. `refused`: no worker may train what it asks for, whatever it has trained before. */
export interface Broken {
  readonly cause: string;
  readonly refused: boolean;
}

/** To a study: what its first trials failed with, or why they were refused. */
export const brokenSignal = defineSignal<[Broken]>('broken');

/** So many trials have to fail, or as many as the study trains at once. */
const firstTrials = 3;

/** Characters of a cause: it is on the study's page, which holds 20 kB. */
const maxCause = 8000;

/** The first trials of a workflow that trains trials from their first epoch. */
export class FirstTrials {
  private readonly count: number;
  /** How those that began first have failed; null: not yet. */
  private readonly ways = new Map<string, string | null>();
  private over = false;
  private told = false;

  constructor(
    parallelism: number,
    private readonly broken: (cause: string) => void
  ) {
    this.count = Math.min(firstTrials, parallelism);
  }

  began(trial: string): void {
    if (!this.over && this.ways.size < this.count && !this.ways.has(trial)) this.ways.set(trial, null);
  }

  /** There is an epoch: whatever fails from now on, the study can run. */
  trained(): void {
    this.over = true;
  }

  failed(trial: string, kind: FailureKind, reason: string): void {
    if (this.over || this.told || this.ways.get(trial) !== null) return;
    this.ways.set(trial, failureSignature(kind, reason));
    const ways = [...this.ways.values()];
    if (ways.length < this.count || ways.some((way) => way === null || way !== ways[0])) return;
    const trials = [...this.ways.keys()].sort();
    this.told = true;
    // Histories of an earlier version go on without it.
    if (!patched('broken-study')) return;
    const many =
      trials.length > 1 ? `the first ${trials.length} trials have failed in the same way` : 'a trial has failed';
    const whole = `${many}, and no epoch was ever reported (${trials.join(', ')}): ${reasonWithKind(kind, reason)}`;
    this.broken(whole.length <= maxCause ? whole : `${whole.slice(0, 1000)}\n...\n${whole.slice(1000 - maxCause)}`);
  }

  /** The study is paused: what begins from here on counts anew. */
  forget(): void {
    this.ways.clear();
    this.told = false;
  }
}

/** For a workflow below the study's. */
export function tellStudy(study: string, refused = false): (cause: string) => void {
  return (cause) => {
    // A study that has closed meanwhile has nothing left to pause.
    getExternalWorkflowHandle(workflowIds.study(study))
      .signal(brokenSignal, { cause, refused })
      .catch(() => undefined);
  };
}
