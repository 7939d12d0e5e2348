/** Local activities of the orchestrating worker: check, propose, record. All idempotent. */
import { existsSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
import type { Proposal, ProposalRequest } from '../core/engine/propose.js';
import { predict } from '../core/predictors/predict.js';
import { canonicalJson, digestOf } from '../core/record.js';
import { enteredOf } from '../core/recover.js';
import { createSampler, type Proposer } from '../core/sampler.js';
import { samplerOf } from '../core/samplers/index.js';
import type { Config, Study } from '../core/study.js';
import { trialId, type Trial } from '../core/trial.js';
import { formatProblems } from '../study/load.js';
import { parseStudy } from '../study/parse.js';
import { removeCheckpoints, trialsWithCheckpoints } from '../trainers/checkpoints.js';
import { releaseCheckpoint, releaseStudy } from '../trainers/held.js';
import { enterStudy, readIdentity, requireCurrent, studyFolder } from '../trainers/identity.js';
import { readTable } from '../trainers/replay.js';
import type { RecordActivities } from '../workflows/activity-types.js';
import { fileNames, isRecordName } from '../workflows/file-names.js';
import { failureTypes, messageBytes } from '../workflows/messages.js';
import { grantOf } from '../trust/seal.js';
import { StudyCurves } from './curves.js';
import { orImpossible } from './predictions.js';
import type { Restorer } from './restore.js';
import { invalid, requireIdentity, sealChecker, studyChecker, withPlaces } from './trusted.js';
import { chainLates, lateTrials } from './late-store.js';
import { readFailed, writeRunNote, type ServerPlace } from './run-note.js';
import {
  hasClosed,
  damagedOf,
  isSound,
  readProposal,
  readProposed,
  readStudy,
  readTrials,
  recordFile,
  removeDamagedEntered,
  removeHalfWritten,
  writeFile,
  writeResult,
  writeStudy,
} from './record-store.js';

/** `restorer`: brings back what is not in this state folder. */
export function createRecordActivities(stateDir: string, restorer: Restorer, server: ServerPlace): RecordActivities {
  const requireSealed = sealChecker(stateDir);
  const requireStudy = studyChecker(stateDir);
  let kept: { study: string; sampler: Proposer; drawn: Config[] } | null = null;
  const curves = new StudyCurves(stateDir, restorer);

  /** One sampler is kept: it remembers what earlier brackets drew. What one that learns drew before is in the record. */
  async function draw(study: Study, request: ProposalRequest): Promise<Proposal> {
    const key = canonicalJson(study);
    const start = request.offset + (request.first ?? 0);
    const learns = samplerOf(study.sampler).wave(study.sampler) !== null;
    if (kept?.study !== key || (learns && kept.drawn.length !== start)) {
      const table = study.trainer.type === 'replay' ? readTable(study.trainer).rows : null;
      if (learns && readProposed(stateDir, study.name, start).length < start) {
        await restorer.proposalsBefore(study, start);
      }
      const drawn = learns ? readProposed(stateDir, study.name, start) : [];
      const configs = drawn.map(({ config }) => config);
      kept = { study: key, sampler: createSampler(study, table, configs), drawn: configs };
    }
    const proposal = kept.sampler.propose(request);
    kept.drawn.push(...proposal.trials.map(({ config }) => config));
    return proposal;
  }

  /** Removes checkpoints that nobody needs any more; a late retry goes on from those of a trial that failed. */
  async function removeOut(study: string, trials: readonly string[]): Promise<void> {
    if (trials.length === 0) return;
    const kept = new Set([...readFailed(stateDir, study).map(({ trial }) => trial), ...lateTrials(stateDir, study)]);
    await removeCheckpoints(
      stateDir,
      study,
      trials.filter((trial) => !kept.has(trial))
    );
  }

  /** Trials proposed before, by index in their bracket: as many of the first as fit into a message. */
  async function recallTrials(study: Study, bracket: string, indexes: readonly number[]): Promise<readonly Trial[]> {
    let trials = readTrials(stateDir, study.name, bracket, indexes);
    if (trials.length < indexes.length) {
      await restorer.proposals(study.name, bracket, Math.max(...indexes) + 1);
      trials = readTrials(stateDir, study.name, bracket, indexes);
    }
    const found = new Set(trials.map(({ index }) => index));
    const lost = indexes.filter((index) => !found.has(index));
    if (lost.length === 0) return trials.slice(0, fitting(trials));
    const ids = lost.slice(0, 3).map((index) => trialId(bracket, index));
    throw ApplicationFailure.retryable(
      `the configurations of ${lost.length} trials (${ids.join(', ')}${lost.length > 3 ? ', ...' : ''}) are neither in ` +
        `the record here nor in Temporal any more: orchestrating workers share one state folder (EVERBAND_HOME)`
    );
  }

  return withPlaces<RecordActivities>({
    async prepareStudy(input, identity, started) {
      requireIdentity(identity);
      const parsed = parseStudy(input, orchestrators);
      if (!parsed.ok) {
        const message = formatProblems(parsed.problems, 'workflow input');
        throw ApplicationFailure.nonRetryable(message, failureTypes.invalidStudy, parsed.problems);
      }
      requireSealed(grantOf(parsed.study), identity);
      requireCurves(parsed.study);
      const before = readStudy(stateDir, parsed.study.name);
      if (before && canonicalJson(before) !== canonicalJson(parsed.study)) {
        const message = `there is a record of another study named ${before.name}: take another name, or delete that one`;
        throw ApplicationFailure.nonRetryable(message, failureTypes.invalidStudy);
      }
      const { name } = parsed.study;
      const folder = studyFolder(stateDir, name);
      const owner = readIdentity(folder);
      if (owner && owner.id !== identity.id && hasClosed(stateDir, name)) {
        const message =
          `there is a record of a study named ${name} that has begun already: \`everband start --recover ${name}\` goes ` +
          `on with it, \`everband delete ${name}\` forgets it`;
        throw ApplicationFailure.nonRetryable(message, failureTypes.invalidStudy);
      }
      await enterStudy(folder, identity, started);
      await writeStudy(stateDir, parsed.study);
      const control = { paused: false, stopped: false, parallelism: parsed.study.parallelism };
      await writeRunNote(stateDir, name, { started, control, server });
      return parsed.study;
    },

    async propose(study, identity, request, written = {}) {
      requireStudy(study, identity);
      requireCurrent(studyFolder(stateDir, study.name), identity);
      for (const [name, text] of Object.entries(written)) {
        requireRecordName(name);
        if (!isSound(stateDir, study.name, name, digestOf(text))) await writeFile(stateDir, study.name, name, text);
      }
      // What was proposed once stays, also where a sampler would draw otherwise by now.
      const known = readProposal(stateDir, study.name, request);
      if (known) return known;
      const all = await draw(study, request);
      const count = fitting(all.trials);
      const proposal = count === request.count ? all : await draw(study, { ...request, count });
      const name = fileNames.proposal(request.bracket, request.first ?? 0);
      await writeFile(stateDir, study.name, name, canonicalJson(proposal));
      return proposal;
    },

    async recall(study, identity, bracket, indexes) {
      requireStudy(study, identity);
      return recallTrials(study, bracket, indexes);
    },

    async enterRound(study, identity, group, indexes) {
      requireStudy(study, identity);
      requireCurrent(studyFolder(stateDir, study.name), identity);
      await writeFile(stateDir, study.name, fileNames.entered(group.id), canonicalJson(enteredOf(group)));
      const { bracket, members, from, releases } = group;
      if (releases !== undefined) {
        const place = { stateDir, study: study.name, identity };
        for (const index of members) await releaseCheckpoint(place, trialId(bracket, index), releases);
      }
      if (from > 0) {
        const came = new Set(members.map((index) => trialId(bracket, index)));
        const all = await trialsWithCheckpoints(stateDir, study.name);
        await removeOut(
          study.name,
          all.filter((id) => id.startsWith(`${bracket}-t`) && !came.has(id))
        );
      }
      return recallTrials(study, bracket, indexes);
    },

    async record(study, identity, name, text, out, released) {
      requireSealed({ study }, identity);
      requireRecordName(name);
      requireCurrent(studyFolder(stateDir, study), identity);
      await writeFile(stateDir, study, name, text);
      await removeOut(study, out);
      for (const { trial, epoch } of released) await releaseCheckpoint({ stateDir, study, identity }, trial, epoch);
    },

    async question(study, identity, task, known) {
      requireStudy(study, identity);
      return curves.request(study, task, known);
    },

    async answer(study, identity, task, known) {
      requireStudy(study, identity);
      const request = await curves.request(study, task, known);
      return orImpossible(() => predict(request));
    },

    async failedIn(study, identity, bracket, round) {
      requireSealed({ study }, identity);
      return readFailed(stateDir, study).filter((failed) => failed.bracket === bracket && failed.round === round);
    },

    async recordStudy(study, identity, ended, digests) {
      requireStudy(study, identity);
      requireCurrent(studyFolder(stateDir, study.name), identity);
      const damaged = damagedOf(stateDir, study.name, digests);
      if (Object.keys(damaged).length > 0) return { damaged };
      if (!existsSync(recordFile(stateDir, study.name)) && !readStudy(stateDir, study.name)) {
        await writeStudy(stateDir, study);
      }
      const record = await writeResult(stateDir, study, ended);
      await chainLates(stateDir, study.name);
      const best = record.result.best?.trial;
      const all = await trialsWithCheckpoints(stateDir, study.name);
      await removeOut(
        study.name,
        all.filter((id) => id !== best)
      );
      await releaseStudy(stateDir, study.name);
      await removeHalfWritten(stateDir, study.name);
      await removeDamagedEntered(stateDir, study.name);
      return record.result;
    },
  });
}

/** Paths are absolute and variables expanded by the client that starts a study: here they would be this worker's. */
const orchestrators = { baseDir: '/', checkFiles: false, expand: false };

/** What a workflow writes of a record: never the study, nor its end. @throws ApplicationFailure */
function requireRecordName(name: unknown): void {
  if (typeof name === 'string' && isRecordName(name)) return;
  throw invalid(`${JSON.stringify(name)} cannot be the name of a file of a record`);
}

/** Curves that are recorded must be there: nothing could be drawn or trained without them. */
function requireCurves({ name, trainer }: Study): void {
  if (trainer.type !== 'replay') return;
  try {
    readTable(trainer);
  } catch (error) {
    const message = `study ${name} cannot replay its trainer's file: ${(error as Error).message}`;
    throw ApplicationFailure.nonRetryable(message, failureTypes.invalidStudy);
  }
}

/** How many of the first trials fit into one message; one does at least. */
function fitting(trials: readonly Trial[]): number {
  let bytes = 0;
  for (const [i, trial] of trials.entries()) {
    bytes += JSON.stringify(trial).length;
    if (bytes > messageBytes && i > 0) return i;
  }
  return trials.length;
}
