/**
 * Brings back files of a record from the workflows that wrote them, as long as Temporal keeps their histories: a file was
 * lost or changed, or an orchestrating worker has another state folder than the one that wrote it.
 */
import type { Client } from '@temporalio/client';
import { oneByOne } from '../core/engine/material.js';
import type { Proposal } from '../core/engine/propose.js';
import { digestOf } from '../core/record.js';
import { planOf, type Study } from '../core/study.js';
import type { RestoreActivities } from '../workflows/activity-types.js';
import { fileNames } from '../workflows/file-names.js';
import { queryNames, refusalIn, workflowIds, type FileAnswer, type RecordPart } from '../workflows/messages.js';
import { isSound, readFile, writeFile } from './record-store.js';
import { studyChecker, withPlaces } from './trusted.js';

export class Restorer {
  constructor(
    private readonly stateDir: string,
    private readonly client: Client
  ) {}

  /** Whether a file is sound, if need be after bringing it back. `digest`: what its workflow says; null: whatever it says. */
  async file(study: string, name: string, digest: string | null, closedOnly = true): Promise<boolean> {
    const sound = digest === null ? this.has(study, name) : isSound(this.stateDir, study, name, digest);
    if (sound) return true;
    const text = await this.find(study, name, digest, closedOnly);
    if (text === null) return false;
    await writeFile(this.stateDir, study, name, text);
    return true;
  }

  /** Brings back what was proposed for the trials below `end` of a bracket. */
  async proposals(study: string, bracket: string, end: number): Promise<void> {
    for (let first = 0; first < end;) {
      const name = fileNames.proposal(bracket, first);
      if (!(await this.file(study, name, null))) return;
      first += readFile<Proposal>(this.stateDir, study, name)?.trials.length ?? Infinity;
    }
  }

  /** Brings back what was proposed for every trial before the one with this global index. */
  async proposalsBefore(study: Study, start: number): Promise<void> {
    const plan = planOf(study);
    for (let iteration = 1; ; iteration++) {
      for (const { id, offset, trials } of plan.iteration(iteration)) {
        if (offset >= start) return;
        await this.proposals(study.name, id, trials);
      }
    }
  }

  /** Brings back what the trials of a bracket have trained in groups that have closed. */
  async curves(study: Study, bracket: string): Promise<void> {
    if (oneByOne(study)) return this.parts(study.name);
    const own = planOf(study).first.find(({ id }) => bracket.endsWith(id));
    for (const { index } of own?.rounds ?? []) {
      if (!(await this.file(study.name, fileNames.round(`${bracket}-r${index}`), null))) return;
    }
  }

  private async parts(study: string): Promise<void> {
    for (let first = 0; ;) {
      const name = fileNames.part(first);
      if (!(await this.file(study, name, null))) return;
      first += readFile<RecordPart>(this.stateDir, study, name)?.log.length ?? Infinity;
    }
  }

  private has(study: string, name: string): boolean {
    return readFile(this.stateDir, study, name) !== null;
  }

  /**
   * The text of a file, from any run of a workflow that can have written it. `closedOnly`: a local activity must not ask
   * the workflow that waits for it.
   */
  private async find(study: string, name: string, digest: string | null, closedOnly: boolean): Promise<string | null> {
    for (const workflowId of writersOf(study, name)) {
      const runs = this.client.workflow.list({ query: `WorkflowId = '${workflowId}'` });
      for await (const { runId, status } of runs) {
        if (closedOnly && status.name === 'RUNNING') continue;
        const text = await this.text(workflowId, runId, name).catch(() => null);
        if (text !== null && (digest === null || digestOf(text) === digest)) return text;
      }
    }
    return null;
  }

  private async text(workflowId: string, runId: string, name: string): Promise<string | null> {
    const handle = this.client.workflow.getHandle(workflowId, runId);
    let text = '';
    for (;;) {
      const answer: FileAnswer | null = await handle.query(queryNames.file, { name, from: text.length });
      // Of another study by that name, or with keys that are not here.
      if (answer === null || refusalIn(answer) !== null) return null;
      text += answer.text;
      if (text.length >= answer.length || answer.text === '') return text;
    }
  }
}

/** Workflows that may have written a file: `b4-r2.json` and `b4.p0.json` a round, parts the study itself. */
function writersOf(study: string, name: string): string[] {
  const [, bracket, round] = /^(.+?)(?:-r(\d+)|\.p\d+)\.json$/.exec(name) ?? [];
  const own = bracket === undefined ? [] : [workflowIds.round(study, bracket, Number(round ?? 0))];
  return [...own, workflowIds.study(study)];
}

export function createRestoreActivities(stateDir: string, restorer: Restorer): RestoreActivities {
  const requireStudy = studyChecker(stateDir);
  return withPlaces<RestoreActivities>({
    async restoreRecord(study, identity, damaged) {
      requireStudy(study, identity);
      const lost: string[] = [];
      for (const [name, digest] of Object.entries(damaged)) {
        if (!(await restorer.file(study.name, name, digest, false))) lost.push(name);
      }
      return lost;
    },
  });
}
