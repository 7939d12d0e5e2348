/** Takes up a study whose workflows are gone, from its record and its checkpoints. */
import { existsSync } from 'node:fs';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { configured, sourceOf } from '../core/engine/exploits.js';
import { oneByOne, type KeptGroup } from '../core/engine/material.js';
import type { Group, TrainTask } from '../core/engine/work.js';
import { segmentOf, type Recorded } from '../core/fold.js';
import { lateView } from '../core/late.js';
import { namedMetrics } from '../core/metrics.js';
import { canonicalJson, digestOf } from '../core/record.js';
import { takeUp, type GoingOn, type Remains } from '../core/recover.js';
import type { Study } from '../core/study.js';
import { trialId, type SegmentOutcome, type Trial } from '../core/trial.js';
import { checkpointFolder } from '../trainers/attempts.js';
import { hasEpochs } from '../trainers/epoch-log.js';
import { findCheckpoint, isHeld } from '../trainers/held.js';
import { enterStudy, readIdentity, requireCurrent } from '../trainers/identity.js';
import { grantOf } from '../trust/seal.js';
import { lineOf, newestIntact, readKnown, type CheckpointScope } from '../trainers/line.js';
import { readTable, replayed } from '../trainers/replay.js';
import type { FailedTrial, RecoverActivities } from '../workflows/activity-types.js';
import { digestBlockOf } from '../workflows/digests.js';
import { fileNames } from '../workflows/file-names.js';
import { failureTypes, workflowIds, type StudyIdentity } from '../workflows/messages.js';
import { readLates } from './late-store.js';
import {
  listRecords,
  readClosed,
  readEntered,
  readProposed,
  readSums,
  readStudy,
  recordFile,
  studyFolder,
  writeFile,
} from './record-store.js';
import { requireName, requireSeal, sealChecker, withPlaces } from './trusted.js';
import { readFailed, readRunNote, writeFailed, writeRunNote, type RunNote, type ServerPlace } from './run-note.js';

/** The cluster that the orchestrating worker belongs to. */
export interface Cluster extends ServerPlace {
  /** The run of a workflow that runs on another cluster; null: none, or nobody answers there. */
  runsAt(place: ServerPlace, workflowId: string): Promise<string | null>;
}

export function createRecoverActivities(stateDir: string, cluster: Cluster): RecoverActivities {
  const { address, namespace } = cluster;
  const server = { address, namespace };
  const requireSealed = sealChecker(stateDir);

  return withPlaces<RecoverActivities>({
    async noteRun(study, identity, { started, control }) {
      requireSealed({ study }, identity);
      requireCurrent(studyFolder(stateDir, study), identity);
      await writeRunNote(stateDir, study, { started, control, server });
    },

    async noteFailed(study, identity, failed) {
      requireSealed({ study }, identity);
      requireCurrent(studyFolder(stateDir, study), identity);
      await writeFailed(stateDir, study, failed);
    },

    async anyEpoch(study, identity) {
      requireSealed({ study }, identity);
      return hasEpochs(studyFolder(stateDir, study));
    },

    async recoverStudy(name, seal) {
      requireName(name);
      requireSeal(stateDir, { study: name }, seal);
      const { study, identity, note, remains } = remainsOf(stateDir, name);
      requireSeal(stateDir, grantOf(study), seal);
      const elsewhere = note.server.address !== address || note.server.namespace !== namespace;
      const runs = elsewhere ? await cluster.runsAt(note.server, workflowIds.study(name)) : null;
      // One server may have two addresses: what runs there is then who asks.
      if (runs !== null && runs !== Context.current().info.workflowExecution?.runId) {
        throw refused(`study ${name} still runs at ${note.server.address}, namespace ${note.server.namespace}`);
      }
      const taken = await remains.takeUp(note);
      const next = { id: identity.id, incarnation: identity.incarnation + 1, seal };
      await enterStudy(studyFolder(stateDir, name), next, Date.now());
      const { recorded } = remains;
      if (taken.log.length > 0) {
        const { log, closed } = taken;
        await writeFile(stateDir, name, fileNames.part(recorded), canonicalJson({ log, closed }));
      }
      const control = { ...note.control, stopped: note.control.stopped || taken.halted };
      await writeRunNote(stateDir, name, { ...note, control, server });
      let { digests } = readSums(stateDir, name);
      const block = digestBlockOf(digests);
      if (block) {
        const text = canonicalJson(block.digests);
        await writeFile(stateDir, name, block.name, text);
        digests = { [block.name]: digestOf(text) };
      }
      const lost = readLates(stateDir, name).lates.filter((late) => lateView(late).state === 'open');
      return {
        study,
        state: {
          identity: next,
          started: note.started,
          deadlinePassed: false,
          control,
          driver: {
            scheduler: taken.scheduler,
            open: taken.open,
            recorded: recorded + taken.log.length,
            digests,
            pool: { parked: {}, resets: {} },
            ...(lost.length > 0 ? { lateLost: lost.map(({ trial }) => trial) } : {}),
          },
        },
      };
    },
  });
}

/** Whether a study can be taken up, as far as its files tell. @throws ApplicationFailure that says why not */
export async function requireRecoverable(stateDir: string, name: string): Promise<void> {
  const { note, remains } = remainsOf(stateDir, name);
  await remains.takeUp(note);
}

/** The study of a record. @throws ApplicationFailure that says why there is none */
export function recordedStudy(stateDir: string, name: string): Study {
  const study = readStudy(stateDir, name);
  if (study) return study;
  if (listRecords(stateDir).includes(name)) {
    throw refused(`study.json in the record of study ${name} was cut or changed. Fix: put back a copy`);
  }
  throw refused(
    `there is no record of a study named ${name} in ${stateDir}. Fix: run this where its orchestrating worker runs, or set EVERBAND_HOME`
  );
}

function remainsOf(
  stateDir: string,
  name: string
): { study: Study; identity: StudyIdentity; note: RunNote; remains: StudyRemains } {
  const study = recordedStudy(stateDir, name);
  if (existsSync(recordFile(stateDir, name))) throw refused(`study ${name} has ended: its record is complete`);
  const identity = readIdentity(studyFolder(stateDir, name));
  const note = readRunNote(stateDir, name);
  if (!identity || !note) {
    throw refused(`study ${name} was begun by a version of Everband that wrote nothing to recover by`);
  }
  return { study, identity, note, remains: new StudyRemains(stateDir, study, identity) };
}

class StudyRemains implements Recorded {
  private readonly failed: readonly FailedTrial[];
  private readonly trials: ReadonlyMap<string, Trial>;
  private readonly closed: readonly KeptGroup[];
  private readonly log: readonly string[];
  private readonly byId: ReadonlyMap<string, KeptGroup>;

  constructor(
    private readonly stateDir: string,
    private readonly study: Study,
    private readonly identity: StudyIdentity
  ) {
    const { damaged } = readSums(stateDir, study.name);
    if (damaged.length > 0) {
      throw refused(
        `${damaged.join(', ')} in the record of study ${study.name} was cut or changed. Fix: put back a copy`
      );
    }
    const { closed, log, lacks } = readClosed(stateDir, study);
    if (lacks !== null) throw refused(`the record of study ${study.name} lacks ${lacks}. Fix: put back a copy`);
    this.closed = closed;
    this.log = log;
    this.byId = new Map(closed.map((group) => [group.id, group]));
    this.trials = new Map(readProposed(stateDir, study.name, Infinity).map((trial) => [trial.id, trial]));
    this.failed = readFailed(stateDir, study.name);
  }

  /** Lines of the log that are recorded. */
  get recorded(): number {
    return this.log.length;
  }

  async takeUp({ control, started }: RunNote): Promise<ReturnType<typeof takeUp>> {
    const { study, closed, log } = this;
    const { deadlineSeconds } = study.limits;
    const late = deadlineSeconds !== undefined && Date.now() >= started + deadlineSeconds * 1000;
    const interrupted = closed.some(({ outcomes }) => outcomes.some(({ end }) => end === 'unfinished'));
    const stop = control.stopped ? 'stopped' : late && interrupted ? 'deadline' : null;
    const remains: Remains = {
      ...{ recorded: this, closed, log, stop, parallelism: control.parallelism },
      entered: readEntered(this.stateDir, study.name),
      ended: (group, task) => {
        const outcome = this.ended(group, task);
        // It has not come there before its checkpoint is held for others; its trainer is asked again, and knows it all.
        return outcome?.outcome === 'completed' && !this.holds(group, task) ? null : outcome;
      },
    };
    let taken;
    try {
      taken = takeUp(study, remains);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw refused(`the record of study ${study.name} cannot be followed: ${error.message}`);
    }
    await this.requireCheckpoints(taken.goingOn);
    return taken;
  }

  proposal({
    bracket,
    first,
    count,
  }: {
    bracket: string;
    first: number;
    count: number;
  }): ReturnType<Recorded['proposal']> {
    const all = Array.from({ length: count }, (_, i) => this.trials.get(trialId(bracket, first + i)));
    const trials = all.flatMap((trial) => trial ?? []);
    return trials.length < count ? null : { trials, duplicatesAvoided: 0, duplicatesKept: 0 };
  }

  segment(group: Group, task: TrainTask): SegmentOutcome | null {
    const kept = this.byId.get(group.id);
    const outcome = kept?.outcomes.find(({ id }) => id === task.trial);
    if (kept && outcome) {
      const { end, nonFinite, reason } = outcome;
      const ends: SegmentOutcome =
        end === 'diverged'
          ? { outcome: 'diverged', values: [], nonFinite: nonFinite ?? 'nan' }
          : end === 'failed'
            ? { outcome: 'failed', values: [], reason: reason ?? '' }
            : { outcome: 'unfinished', values: [] };
      return segmentOf(task, { base: kept.from, curve: outcome, end: ends });
    }
    return oneByOne(this.study) ? this.told(group, task) : null;
  }

  answers(group: string): ReturnType<Recorded['answers']> {
    return this.byId.get(group)?.answers ?? [];
  }

  /** What a trial alone told on its way to a rung that it has not come to. */
  private told(group: Group, task: TrainTask): SegmentOutcome | null {
    const { trainer } = this.study;
    if (trainer.type !== 'replay') return this.ended(group, task);
    const curve = readTable(trainer).values[Number(this.trials.get(task.trial)?.config['row'])];
    return curve ? replayed(curve.slice(task.from, task.to)) : null;
  }

  /** What a trial came to by its checkpoints, or for good without any. */
  private ended(group: Group, task: TrainTask): SegmentOutcome | null {
    const failed = this.failed.find(({ trial, from }) => trial === task.trial && from === task.from);
    if (failed) return failed.outcome;
    const scope = this.scope(group, task);
    if (scope === null) return null;
    const known = readKnown(scope);
    const { base, values, nonFinite } = known;
    if (base + values.length < task.from) return null;
    return segmentOf(task, { base, curve: known, end: nonFinite && { outcome: 'diverged', values: [], nonFinite } });
  }

  /** Whether others can start from the checkpoint of a trial where they may. */
  private holds({ holds, to }: Group, task: TrainTask): boolean {
    const { stateDir, study, identity } = this;
    if (!holds || task.to !== to || study.trainer.type === 'replay') return true;
    return isHeld({ stateDir, study: study.name, identity }, task.trial, to);
  }

  private scope(group: Group, task: TrainTask): CheckpointScope | null {
    const { stateDir, study, identity } = this;
    const drawn = this.trials.get(task.trial);
    if (!drawn || study.trainer.type === 'replay') return null;
    return {
      ...{ stateDir, study: study.name, identity, trial: configured(group, drawn), from: task.from },
      ...{ metric: study.objective.metric, metrics: namedMetrics(study), source: sourceOf(group, task) },
    };
  }

  /** Whoever goes on must find what it had trained. */
  private async requireCheckpoints(goingOn: readonly GoingOn[]): Promise<void> {
    const { stateDir, study } = this;
    if (study.trainer.type === 'replay') return;
    const lost: string[] = [];
    for (const { group, task } of goingOn) {
      const scope = this.scope(group, task);
      if (task.from === 0 || scope === null) continue;
      const line = lineOf(scope);
      if (task.exploit && line.members.length === 0) {
        // What it is to copy.
        const { donor, epoch } = task.exploit;
        const id = trialId(group.bracket, donor);
        if ((await findCheckpoint(scope, id, epoch)) === null) {
          lost.push(
            `${id} at epoch ${epoch}, from which ${task.trial} goes on (${checkpointFolder(stateDir, study.name, id)})`
          );
        }
        continue;
      }
      const known = line.known.base + line.known.values.length;
      const saved = line.members.some(({ manifest }) => manifest.checkpoints.length > 0);
      if (known < task.from || (saved && (await newestIntact(line)) === null)) {
        lost.push(`${task.trial} at epoch ${task.from} (${checkpointFolder(stateDir, study.name, task.trial)})`);
      }
    }
    if (lost.length === 0) return;
    const shown = lost.slice(0, 3).join(', ') + (lost.length > 3 ? ' and others' : '');
    throw refused(
      `the checkpoints of ${lost.length} trials that go on are missing or damaged: ${shown}. Fix: put back a copy`
    );
  }
}

function refused(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, failureTypes.notRecoverable);
}
