/** What must hold of a round once its studies have ended. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { audit } from '../core/audit.js';
import { canonicalJson, type StudyRecord } from '../core/record.js';
import { recordFile } from '../activities/record-store.js';
import type { ChaosStudy, Stage } from './stage.js';
import { reference, untrue } from './studies.js';

/** What a study came to. */
export interface Checked {
  readonly study: string;
  /** Epochs of the record. */
  readonly epochs: number;
  /** Epochs that were trained more than once. */
  readonly again: number;
  /** Whether its bytes were compared with the undisturbed study's; else only what it decided was followed. */
  readonly compared: boolean;
  readonly problems: readonly string[];
}

interface JournalLine {
  readonly trial: string;
  readonly epoch: number;
  readonly x: number;
  readonly before: number;
  readonly after: number;
}

export async function checkStudy(stage: Stage, chaosStudy: ChaosStudy): Promise<Checked> {
  const { study } = stage.studyOf(chaosStudy);
  const problems: string[] = [];
  let record: StudyRecord;
  try {
    record = JSON.parse(readFileSync(recordFile(stage.home, study.name), 'utf8')) as StudyRecord;
  } catch (error) {
    return { study: study.name, epochs: 0, again: 0, compared: false, problems: [`no record: ${String(error)}`] };
  }
  for (const { of, says } of audit(record)) problems.push(`audit: ${of}: ${says}`);
  problems.push(...untrue(study, record));
  const compared = !stage.isLoose(chaosStudy);
  if (compared) {
    const wanted = await reference(study);
    if (canonicalJson(record) !== canonicalJson(wanted)) {
      problems.push(`its record is another than that of the undisturbed study: ${difference(record, wanted)}`);
    }
  }
  const lines = readJournal(stage.journalOf(chaosStudy));
  const seen = new Map<string, number>();
  for (const line of lines) seen.set(keyOf(line), (seen.get(keyOf(line)) ?? 0) + 1);
  const perTrial = new Map<string, number>();
  for (const [key, count] of seen) {
    const [trial = ''] = key.split(' ');
    perTrial.set(trial, (perTrial.get(trial) ?? 0) + count - 1);
  }
  for (const [trial, again] of perTrial) {
    if (again > chaosStudy.again) {
      problems.push(
        `${again} epochs of ${trial} were trained again, and what was done to it allows ${chaosStudy.again}`
      );
    }
  }
  if (study.trainer.type !== 'replay') problems.push(...neverTrained(record, lines));
  problems.push(...halfWritten(stage.folderOf(chaosStudy)));
  return {
    ...{ study: study.name, epochs: record.result.epochs, compared, problems },
    again: [...perTrial.values()].reduce((sum, again) => sum + again, 0),
  };
}

/** An epoch is the same when it leads from the same state to the same state. */
function keyOf({ trial, epoch, x, before, after }: JournalLine): string {
  return `${trial} ${epoch} ${x} ${before} ${after}`;
}

function readJournal(file: string): JournalLine[] {
  if (!existsSync(file)) return [];
  // A trainer that was killed may have left half a line.
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return line === '' ? [] : (JSON.parse(line) as JournalLine);
      } catch {
        return [];
      }
    });
}

/** Values of a record that no trainer of this study has come to. */
function neverTrained(record: StudyRecord, lines: readonly JournalLine[]): string[] {
  const trained = new Set(lines.map(({ trial, after }) => `${trial} ${after}`));
  return record.trials.flatMap(({ id, values }) => {
    const at = values.findIndex((value) => !trained.has(`${id} ${value}`));
    return at === -1 ? [] : [`epoch ${at + 1} of ${id} is in the record, and no trainer has trained it`];
  });
}

/** Files that were begun and not finished, and JSON that cannot be read. */
function halfWritten(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  return names.flatMap((file) => {
    const name = path.relative(folder, file);
    if (/\.(new|tmp)$/.test(name)) return [`${name} is left over`];
    // What trainers wrote is theirs.
    if (!name.endsWith('.json') || name.includes('/files/')) return [];
    const text = readFileSync(file, 'utf8');
    try {
      JSON.parse(/^[0-9a-f]{64}\n/.test(text) ? text.slice(65) : text);
      return [];
    } catch {
      return [`${name} is no JSON: ${JSON.stringify(text.slice(0, 60))}`];
    }
  });
}

/** The first place where two JSON values differ. */
function difference(one: unknown, other: unknown, at = ''): string {
  if (one !== null && other !== null && typeof one === 'object' && typeof other === 'object') {
    for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
      const [a, b] = [one, other].map((each) => (each as Record<string, unknown>)[key]);
      if (canonicalJson(a ?? null) !== canonicalJson(b ?? null))
        return difference(a, b, at === '' ? key : `${at}.${key}`);
    }
  }
  return `at ${at} it has ${JSON.stringify(one)?.slice(0, 200)}, and ${JSON.stringify(other)?.slice(0, 200)} is right`;
}
