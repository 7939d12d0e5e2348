/**
 * Late retries on disk, beside the record: `<state>/studies/<study>/late/<trial>.json`. The first line of a file is the
 * SHA-256 digest of the rest, as in a record, of which they change nothing; the chain of digests in it goes on from the
 * record's.
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { lateDigests, lateEnded, lateFormat, type LateRecord } from '../core/late.js';
import { canonicalJson, digestOf } from '../core/record.js';
import { writeWhole } from '../trainers/checkpoint-files.js';
import { studyFolder } from '../trainers/identity.js';
import { within } from '../trust/places.js';
import { readRecord, recordFile, textOf } from './record-store.js';

/** Writes what a trial's late retries came to, chained to what the record says by now. */
export async function writeLate(
  stateDir: string,
  { study, trial, retries }: Pick<LateRecord, 'study' | 'trial' | 'retries'>
): Promise<void> {
  const folder = lateFolder(stateDir, study);
  await mkdir(folder, { recursive: true });
  const hasEnded = () => existsSync(recordFile(stateDir, study));
  for (;;) {
    const ended = hasEnded();
    const record = readRecord(stateDir, study);
    if (!record) throw new Error(`there is no record of study ${study} in ${stateDir}`);
    const late = { format: lateFormat, study, trial, retries } as const;
    const text = canonicalJson({ ...late, digests: lateDigests(record, ended, late) });
    await writeWhole(within(folder, `${trial}.json`), `${digestOf(text)}\n${text}`);
    // Where the study has ended meanwhile, it goes on from the whole record.
    if (ended || !hasEnded()) return;
  }
}

/** Chains late retries that came to their end beside a study to its record, now that it is whole. Others do so themselves. */
export async function chainLates(stateDir: string, study: string): Promise<void> {
  for (const late of readLates(stateDir, study).lates) {
    const last = late.retries.at(-1);
    if (last && lateEnded(last)) await writeLate(stateDir, late);
  }
}

/** Trials that were retried late, in order. */
export function lateTrials(stateDir: string, study: string): string[] {
  const folder = lateFolder(stateDir, study);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => /^([^.]+)\.json$/.exec(name)?.[1] ?? [])
    .sort();
}

/** A file of a late retry that is not what it was or cannot be read here; `says` is a whole sentence, `fix` what helps. */
export interface WrongLate {
  readonly trial: string;
  readonly says: string;
  readonly fix: string;
}

/** Late retries of a study, and those whose files are wrong. */
export function readLates(stateDir: string, study: string): { lates: LateRecord[]; wrong: WrongLate[] } {
  const all = lateTrials(stateDir, study).flatMap((trial) => readLate(stateDir, study, trial) ?? []);
  return {
    lates: all.flatMap((one) => ('says' in one ? [] : one)),
    wrong: all.flatMap((one) => ('says' in one ? one : [])),
  };
}

/** Null when there is none. */
export function readLate(stateDir: string, study: string, trial: string): LateRecord | WrongLate | null {
  const file = within(lateFolder(stateDir, study), `${trial}.json`);
  if (!existsSync(file)) return null;
  const text = textOf(file);
  const late = text === null ? null : objectOf(text);
  const subject = `The file of the late retry of ${trial}`;
  const fix = `put back a copy of ${file}, or remove it`;
  if (late === null) return { trial, says: `${subject} was cut or changed.`, fix };
  if (late.format !== lateFormat) {
    const seen = late.format === undefined ? 'has no format' : `is of the format ${JSON.stringify(late.format)}`;
    const older = `go on with the version of Everband that wrote ${file}, or remove it`;
    return { trial, says: `${subject} ${seen}, and this version reads ${lateFormat}.`, fix: older };
  }
  if (late.study !== study || late.trial !== trial) {
    const whose = `${String(late.trial)} of study ${String(late.study)}`;
    return { trial, says: `${subject} of study ${study} is that of ${whose}.`, fix };
  }
  if (canonicalJson(late) !== text) return { trial, says: `${subject} was cut or changed.`, fix };
  return late as LateRecord;
}

/** What a file says, whatever that is. */
function objectOf(text: string): Readonly<Partial<Record<keyof LateRecord, unknown>>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

function lateFolder(stateDir: string, study: string): string {
  return within(studyFolder(stateDir, study), 'late');
}
