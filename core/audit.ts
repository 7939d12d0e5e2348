/**
 * Checks a record without a server: the study is folded again from what the record says was proposed and reported. A
 * decision that does not follow is named, the first one first; any other changed byte is found by the chain of digests.
 */
import { assembleRecord } from './assemble.js';
import { defineStudy } from './define-study.js';
import { oneByOne } from './engine/material.js';
import type { Proposal } from './engine/propose.js';
import type { Group, ProposeTask, TrainTask } from './engine/work.js';
import { Fold, segmentOf, type Recorded } from './fold.js';
import type { PredictionAnswer } from './predictors/request.js';
import {
  canonicalJson,
  digestsOf,
  recordFormat,
  type ExploitRecord,
  type StudyRecord,
  type TrialRecord,
} from './record.js';
import type { Study } from './study.js';
import { trialId, type SegmentOutcome, type Trial } from './trial.js';

/** What is wrong with a record. */
export interface Finding {
  /** `b4-r2`, `log 0`, `result` or `record`. */
  readonly of: string;
  /** A whole sentence. */
  readonly says: string;
}

/** What is wrong with a record, decisions first and in order; nothing when all of it follows. */
export function audit(record: StudyRecord): Finding[] {
  const format: unknown = record.format;
  if (format !== recordFormat) {
    const says = `The record is of the format ${JSON.stringify(format)}, and this version audits ${recordFormat}.`;
    return [{ of: 'record', says }];
  }
  return [...decisions(record), ...chain(record)];
}

/** The first link of the chain that does not hold. */
function chain(record: StudyRecord): Finding[] {
  const wanted = digestsOf(record);
  const at = wanted.findIndex(({ of, sha256 }, i) => {
    return record.digests[i]?.of !== of || record.digests[i]?.sha256 !== sha256;
  });
  if (at === -1 && record.digests.length === wanted.length) return [];
  const of = wanted[at]?.of ?? 'record';
  const where = of === 'record' ? 'what the record says outside its rounds and its log' : `${of}, or before it,`;
  return [{ of, says: `The digest of ${of} is another than the record has: ${where} was changed.` }];
}

function decisions(record: StudyRecord): Finding[] {
  let again: StudyRecord;
  try {
    again = recordAgain(record);
  } catch (error) {
    return [
      { of: 'log', says: `The log cannot be followed: ${error instanceof Error ? error.message : String(error)}.` },
    ];
  }
  const findings: Finding[] = [];
  const exploits = [record, again].map(exploitsBy);
  for (const [b, bracket] of record.brackets.entries()) {
    for (const [i, round] of bracket.rounds.entries()) {
      const other = again.brackets[b]?.rounds[i];
      const of = `${bracket.id}-r${round.index}`;
      if (!other) {
        findings.push({ of, says: `The record has a round ${of}, which does not follow from what came before.` });
        continue;
      }
      const key = (['trials', 'decision', 'ranking', 'promoted', 'epochs'] as const).find(
        (one) => canonicalJson(other[one]) !== canonicalJson(round[one])
      );
      if (key) {
        const says = `The ${words[key]} of ${of} do not follow: ${difference(round[key], other[key])}.`;
        findings.push({ of, says });
      }
      const [lineage = {}, follows = {}] = exploits.map((by) => by.get(`${bracket.id} ${round.from}`));
      if (canonicalJson(lineage) !== canonicalJson(follows)) {
        findings.push({ of, says: `The exploits of ${of} do not follow: ${difference(lineage, follows)}.` });
      }
    }
  }
  if (findings.length === 0 && canonicalJson(again.result) !== canonicalJson(record.result)) {
    findings.push({ of: 'result', says: `The result does not follow: ${difference(record.result, again.result)}.` });
  }
  return findings;
}

/** Lineage by the round that it began with, and by trial. */
function exploitsBy({ trials }: StudyRecord): ReadonlyMap<string, Record<string, ExploitRecord>> {
  const exploits = new Map<string, Record<string, ExploitRecord>>();
  for (const { id, bracket, lineage = [] } of trials) {
    for (const one of lineage) {
      const key = `${bracket} ${one.epoch}`;
      exploits.set(key, { ...exploits.get(key), [id]: one });
    }
  }
  return exploits;
}

const words = {
  trials: 'trials',
  decision: 'decisions',
  ranking: 'ranks',
  promoted: 'promotions',
  epochs: 'epochs',
} as const;

/** The first place where two JSON values differ. */
function difference(recorded: unknown, follows: unknown, path = ''): string {
  if (recorded !== null && follows !== null && typeof recorded === 'object' && typeof follows === 'object') {
    const keys = [...new Set([...Object.keys(recorded), ...Object.keys(follows)])];
    for (const key of keys) {
      const a = (recorded as Record<string, unknown>)[key];
      const b = (follows as Record<string, unknown>)[key];
      if (canonicalJson(a ?? null) !== canonicalJson(b ?? null)) return difference(a, b, path ? `${path}.${key}` : key);
    }
  }
  const at = path === '' ? '' : `at ${path} `;
  return `${at}the record has ${JSON.stringify(recorded) ?? 'nothing'}, and ${JSON.stringify(follows) ?? 'nothing'} follows`;
}

/** What a record says was proposed, reported and answered. */
class RecordedStudy implements Recorded {
  private readonly trials: ReadonlyMap<string, TrialRecord>;
  private readonly given = new Map<string, readonly PredictionAnswer[]>();

  constructor({ trials, brackets }: StudyRecord) {
    this.trials = new Map(trials.map((trial) => [trial.id, trial]));
    for (const { rounds } of brackets) {
      for (const { answers = {} } of rounds) {
        for (const [group, own] of Object.entries(answers)) this.given.set(group, own);
      }
    }
  }

  /** Those of the trials that the record has: others were drawn with them and never started. */
  proposal({ bracket, first, count }: ProposeTask): Proposal {
    const records = Array.from({ length: count }, (_, i) => this.trials.get(trialId(bracket, first + i)));
    const trials = records.flatMap((record) => (record ? [drawnOf(record)] : []));
    return { trials, duplicatesAvoided: 0, duplicatesKept: 0 };
  }

  segment(_group: Group, task: TrainTask): SegmentOutcome | null {
    const trial = this.trials.get(task.trial);
    if (!trial) throw new RangeError(`trial ${task.trial} is needed and is not in the record`);
    return segmentOf(task, { base: 0, curve: trial, end: endOf(trial) });
  }

  answers(group: string): readonly PredictionAnswer[] {
    return this.given.get(group) ?? [];
  }
}

/** How a trial's curve ended. */
function endOf({ fate, nonFinite, reason }: TrialRecord): SegmentOutcome {
  if (fate === 'diverged') return { outcome: 'diverged', values: [], nonFinite: nonFinite ?? 'nan' };
  if (fate === 'failed') return { outcome: 'failed', values: [], reason: reason ?? '' };
  return { outcome: 'unfinished', values: [] };
}

/** A trial as it was drawn. */
function drawnOf({ id, bracket, index, config, seed }: TrialRecord): Trial {
  return { id, bracket, index, globalIndex: 0, config, seed };
}

/** The record of a study as it follows. @throws RangeError where its log cannot be followed */
function recordAgain(record: StudyRecord): StudyRecord {
  const { study: name, seed, objective, space, sampler, scheduler, pruner, limits, tryFirst, result } = record;
  const all = { name, seed, objective, space, sampler, scheduler, pruner, limits, tryFirst };
  const study: Study = { ...defineStudy({ scheduler: { type: 'full', trials: 1, maxBudget: 1 } }), ...all };
  const fold = new Fold(study, new RecordedStudy(record));
  const { ended, duplicatesAvoided, duplicatesKept } = result;
  if (oneByOne(study)) fold.log(record.log);
  else fold.rounds(ended === 'stopped' || ended === 'deadline' ? ended : null);
  const { run } = fold;
  const material = run.material([{ trials: record.trials.map(drawnOf), duplicatesAvoided, duplicatesKept }]);
  return assembleRecord(study, material, run.ended ?? (ended === 'open' ? null : ended));
}
