/**
 * Late retries: a trial that failed or diverged trains again after its round or its study has closed. What was decided
 * stays; at each rung the trial is compared with those that were promoted there.
 */
import type { Finding } from './audit.js';
import { epochAt, numbersAt, type Curve, type EpochNumbers } from './curve.js';
import { better, resultOf } from './engine/best.js';
import { oneByOne } from './engine/material.js';
import type { Best } from './engine/scheduler.js';
import type { Result } from './objectives/definition.js';
import { modeOf } from './objectives/index.js';
import { canonicalJson, digestOf, type Digest, type StudyRecord, type TrialRecord } from './record.js';
import { planOf, type Study } from './study.js';
import type { NonFinite } from './trial.js';

/**
 * What becomes of a late trial at a rung. `unranked`: nobody was promoted there, and nothing says how far it would have
 * gone. `completed`: it was its bracket's last rung.
 */
export type LateVerdict = 'promoted' | 'outranked' | 'unranked' | 'completed';

/** A late trial's way to one rung, with the curve of its epochs from `from + 1`. */
export interface LateRung extends Curve {
  readonly round: number;
  readonly from: number;
  readonly to: number;
  readonly end: 'rung' | 'diverged' | 'failed' | 'unfinished';
  /** Only at the rung; null while that is not decided. */
  readonly became: LateVerdict | null;
  readonly nonFinite?: NonFinite;
  readonly reason?: string;
}

export interface LateRetry {
  /** Task queue of the workers it trained on; null: the study's. */
  readonly queue: string | null;
  /** The number of the reset with which it trained from its first epoch; null: it went on from its checkpoint. */
  readonly reset: number | null;
  readonly rungs: readonly LateRung[];
}

/** The format that this version writes and reads. */
export const lateFormat = 'everband-late/2';

/** Every late retry of a trial, in order. */
export interface LateRecord {
  readonly format: typeof lateFormat;
  readonly study: string;
  readonly trial: string;
  readonly retries: readonly LateRetry[];
  /** A chain that goes on from the record's, once the study has ended. */
  readonly digests: readonly Digest[];
}

/**
 * The chain of digests of a trial's late retries: the record's last link once the study has ended, what the record says of
 * the trial, every late retry, then everything.
 */
export function lateDigests(
  record: Pick<StudyRecord, 'study' | 'trials' | 'digests'>,
  ended: boolean,
  late: Omit<LateRecord, 'digests'>
): Digest[] {
  const digests = ended ? record.digests.slice(-1) : [];
  const link = (of: string, content: unknown) => {
    const before = digests.at(-1)?.sha256 ?? '';
    digests.push({ of, sha256: digestOf(`${before}\n${of}\n${canonicalJson(content)}`) });
  };
  const { format, study, trial, retries } = late;
  link('trial', { study: record.study, trial: record.trials.find(({ id }) => id === trial) ?? null });
  for (const [i, retry] of retries.entries()) link(`retry ${i}`, retry);
  link('late', { format, study, trial, retries });
  return digests;
}

/** What was asked of a late retry. */
export interface LateAsk {
  readonly reset: boolean;
  readonly queue: string | null;
}

type Decided = Pick<StudyRecord, 'brackets' | 'trials' | 'objective' | 'scheduler' | 'pruner'>;

/** The rungs of a trial's bracket, whatever iteration it is of. */
function ladderOf(
  study: Pick<Study, 'scheduler' | 'pruner'>,
  bracket: string
): readonly { readonly from: number; readonly to: number }[] {
  return planOf(study).first.find(({ id }) => bracket === id || bracket.endsWith(`-${id}`))?.rounds ?? [];
}

/** Where a trial trains late: the way to the rung of `round`. Null for a rung that its bracket does not have. */
export function lateSpan(
  study: Pick<Study, 'scheduler' | 'pruner'>,
  bracket: string,
  round: number
): { readonly from: number; readonly to: number } | null {
  const rung = ladderOf(study, bracket)[round];
  return rung ? { from: rung.from, to: rung.to } : null;
}

/**
 * What becomes of a late trial that came to the rung of `round` with the numbers `came`. `ended`: whether the study has. Null: that
 * is not decided yet. Where trials come to rungs one by one, the worst that was promoted is never replaced by a better
 * one, so that who ranks before it is promoted at once.
 */
export function lateVerdict(
  record: Decided,
  trial: Pick<TrialRecord, 'bracket' | 'index'>,
  round: number,
  came: EpochNumbers,
  ended: boolean
): LateVerdict | null {
  if (round >= ladderOf(record, trial.bracket).length - 1) return 'completed';
  const closed = record.brackets.find(({ id }) => id === trial.bracket)?.rounds[round];
  const known = closed !== undefined && closed.trials.length > 0;
  if (!known) return ended ? 'unranked' : null;
  const worst = worstPromoted(record, closed);
  const { objective } = record;
  const result = resultOf(objective, came);
  if (worst !== null && (modeOf(objective).compare(result, worst.result) || trial.index - worst.index) < 0) {
    return 'promoted';
  }
  if (!ended && oneByOne(record)) return null;
  return worst === null ? 'unranked' : 'outranked';
}

/** The last of a ranking that went on; null where nobody did. */
function worstPromoted(
  { trials, objective }: Decided,
  { ranking, promoted, to }: Decided['brackets'][number]['rounds'][number]
): { readonly index: number; readonly result: Result } | null {
  const went = new Set(promoted);
  const worst = ranking.findLast(({ trial }) => went.has(trial));
  const own = worst && trials.find(({ id }) => id === worst.trial);
  if (!own) return null;
  const metrics = numbersAt(own, to - 1);
  return { index: own.index, result: resultOf(objective, { value: worst.value, ...(metrics ? { metrics } : {}) }) };
}

/** Where a late retry begins. */
export interface LateBeginning {
  readonly round: number;
  /** The late retry of before that it goes on with, for that one lost its workflow; null: it is a new one. */
  readonly goesOn: LateRetry | null;
}

/** Where a trial trains late, or why it does not. `late`: what it came to before. */
export function lateStart(
  record: Decided,
  late: Pick<LateRecord, 'retries'> | null,
  id: string,
  { reset, queue }: LateAsk
): LateBeginning | { readonly refused: string } {
  const open = late?.retries.at(-1);
  if (late && open && !lateEnded(open) && !reset) {
    const before = { retries: late.retries.slice(0, -1) };
    const start = lateStart(record, before, id, { reset: open.reset !== null, queue: queue ?? open.queue });
    return 'refused' in start ? start : { ...start, goesOn: open };
  }
  const trial = record.trials.find((one) => one.id === id);
  if (!trial) return { refused: `there is no trial ${id} in the record` };
  if (trial.lineage) {
    return { refused: `trial ${id} went on from another trial's checkpoint, and what it went on from is gone` };
  }
  const { fate } = trial;
  if (fate === 'unfinished')
    return { refused: `trial ${id} is unfinished, so it has not failed in a round that has closed` };
  if (fate !== 'failed' && fate !== 'diverged') return { refused: `trial ${id} has not failed: it is ${fate}` };
  const last = late && lastRung(late);
  if (last?.became === 'promoted') return { round: last.round + 1, goesOn: null };
  if (last?.became) return { refused: `trial ${id} was retried late already: it is ${last.became}` };
  const again = last?.end ?? fate;
  if (again === 'diverged' && !reset && queue === null) {
    return { refused: `trial ${id} has diverged, and ${divergesAgain}` };
  }
  const rounds = record.brackets.find(({ id: bracket }) => bracket === trial.bracket)?.rounds ?? [];
  const failed = rounds.findLastIndex(({ trials }) => trials.includes(id));
  if (failed === -1) return { refused: `no round of trial ${id} has closed` };
  return { round: last?.round ?? failed, goesOn: null };
}

function lastRung({ retries }: Pick<LateRecord, 'retries'>): LateRung | null {
  return retries.flatMap(({ rungs }) => rungs).at(-1) ?? null;
}

export const divergesAgain =
  'the same configuration with the same seed diverges again: say --reset to train it from its first epoch all the same, ' +
  'or --queue to train it on other workers';

/** Whether a late retry has come to its last rung, or to none. */
export function lateEnded({ rungs }: LateRetry): boolean {
  const last = rungs.at(-1);
  return last !== undefined && (last.end !== 'rung' || (last.became !== null && last.became !== 'promoted'));
}

/** How a trial stands after its late retries. */
export interface LateView {
  readonly trial: string;
  readonly queue: string | null;
  /** `open`: it trains, or waits for the others to come to its rung, or was lost with its server. */
  readonly state: LateVerdict | 'diverged' | 'failed' | 'unfinished' | 'open';
  /** Of the whole trial, with those before the retry. */
  readonly epochs: number;
  readonly value: number | null;
  readonly reason?: string;
}

export function lateView(late: LateRecord): LateView {
  const retry = late.retries.at(-1);
  const last = lastRung(late);
  const state =
    !retry || retry.rungs.length === 0 || !last ? 'open' : last.end === 'rung' ? (last.became ?? 'open') : last.end;
  return {
    trial: late.trial,
    queue: retry?.queue ?? null,
    // Promoted, it is on its way to the next rung.
    state: state === 'promoted' ? 'open' : state,
    epochs: last ? last.from + last.values.length + (last.end === 'diverged' ? 1 : 0) : 0,
    value: last?.values.at(-1) ?? null,
    ...(last?.reason === undefined ? {} : { reason: last.reason }),
  };
}

/** The best of a study when its late retries count. */
export function bestWithLate(
  { objective }: Pick<Study, 'objective'>,
  decided: Best | null,
  lates: readonly LateRecord[]
): Best | null {
  const rungs = lates.flatMap(({ trial, retries }) =>
    retries.flatMap(({ rungs: own }) => own.map((rung) => ({ trial, rung })))
  );
  const first = decided && {
    ...{ trial: decided.trial, value: decided.value, budget: decided.budget },
    ...(decided.metrics ? { metrics: decided.metrics } : {}),
  };
  return rungs.reduce<Best | null>((best, { trial, rung }) => {
    const came = rung.end === 'rung' ? epochAt(rung, rung.values.length - 1) : null;
    return came ? better(objective, best, { trial, ...came, budget: rung.to }) : best;
  }, first);
}

/** What does not follow in the late retries of a closed study. */
export function auditLate(record: StudyRecord, late: LateRecord): Finding[] {
  const of = `late ${late.trial}`;
  const trial = record.trials.find(({ id }) => id === late.trial);
  if (!trial || late.study !== record.study) {
    const names = late.study === record.study ? '' : `: the file names the study ${late.study}`;
    return [{ of, says: `The late retry of ${late.trial} belongs to no trial of this study${names}.` }];
  }
  const findings: Finding[] = [];
  let before: Pick<LateRecord, 'retries'> = { retries: [] };
  for (const retry of late.retries) {
    const start = lateStart(record, before, late.trial, { reset: retry.reset !== null, queue: retry.queue });
    let next: number | null = 'round' in start ? start.round : null;
    const why = 'refused' in start ? start.refused : start.goesOn ? 'the one before has not come to its end' : null;
    if (why !== null) findings.push({ of, says: `The late retry of ${late.trial} does not follow: ${why}.` });
    for (const rung of retry.rungs) {
      const span = lateSpan(record, trial.bracket, rung.round);
      if (rung.round !== next || rung.from !== span?.from || rung.to !== span.to) {
        findings.push({ of, says: `The late retry of ${late.trial} has a round ${rung.round} that does not follow.` });
        break;
      }
      const came = rung.end === 'rung' ? epochAt(rung, rung.to - rung.from - 1) : null;
      const became = came && lateVerdict(record, trial, rung.round, came, true);
      const open = rung.end === 'rung' && rung.became === null;
      if (!open && became !== rung.became) {
        const says =
          `The late retry of ${late.trial} has "${rung.became ?? 'nothing'}" in round ${rung.round}, ` +
          `and "${became ?? 'nothing'}" follows.`;
        findings.push({ of, says });
      }
      next = rung.became === 'promoted' ? rung.round + 1 : null;
    }
    before = { retries: [...before.retries, retry] };
  }
  return [...findings, ...lateChain(record, late)];
}

/** The first link of the chain that does not hold. */
function lateChain(record: StudyRecord, late: LateRecord): Finding[] {
  const of = `late ${late.trial}`;
  const chained = late.digests[0]?.of === 'record';
  const last = late.retries.at(-1);
  if (!chained && last && lateEnded(last)) {
    return [
      { of, says: `The late retry of ${late.trial} is not chained to the record of its study, which has ended.` },
    ];
  }
  const wanted = lateDigests(record, chained, late);
  const at = wanted.findIndex(({ of: link, sha256 }, i) => {
    return late.digests[i]?.of !== link || late.digests[i]?.sha256 !== sha256;
  });
  if (at === -1 && late.digests.length === wanted.length) return [];
  const link = wanted[at]?.of ?? 'late';
  const where =
    link === 'record'
      ? 'it follows another record than this one, so that the record was changed after it, or the file is of another study'
      : link === 'trial'
        ? 'it follows another trial than the record has, so that the record was changed after it, or the file is of another trial'
        : link === 'late'
          ? 'what its file says beside its retries was changed'
          : `its ${link} was changed`;
  return [{ of, says: `The chain of the late retry of ${late.trial} does not hold: ${where}.` }];
}
