/**
 * What a recovery needs beside record and checkpoints: `<state>/studies/<study>/run.json`, what operators have set, and
 * `failed/<bracket>-r<round>-<index>.json`, trials that failed for good in a round that had not closed.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { writeWhole } from '../trainers/checkpoint-files.js';
import { studyFolder } from '../trainers/identity.js';
import { within } from '../trust/places.js';
import type { Control } from '../workflows/control.js';
import type { FailedTrial } from '../workflows/activity-types.js';

/** Where a study runs. */
export interface ServerPlace {
  readonly address: string;
  readonly namespace: string;
}

export interface RunNote {
  /** When the study began, ms since 1970: its deadline counts from there. */
  readonly started: number;
  readonly control: Control;
  readonly server: ServerPlace;
}

export async function writeRunNote(stateDir: string, study: string, note: RunNote): Promise<void> {
  await writeWhole(noteFile(stateDir, study), JSON.stringify(note));
}

/** Null where there is none, or none that can be read. */
export function readRunNote(stateDir: string, study: string): RunNote | null {
  return readJson<RunNote>(noteFile(stateDir, study));
}

export async function writeFailed(stateDir: string, study: string, failed: FailedTrial): Promise<void> {
  const { bracket, round, index } = failed;
  const folder = failedFolder(stateDir, study);
  await mkdir(folder, { recursive: true });
  await writeWhole(within(folder, `${bracket}-r${round}-${index}.json`), JSON.stringify(failed));
}

export function readFailed(stateDir: string, study: string): FailedTrial[] {
  const folder = failedFolder(stateDir, study);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => readJson<FailedTrial>(path.join(folder, name)) ?? []);
}

function noteFile(stateDir: string, study: string): string {
  return within(studyFolder(stateDir, study), 'run.json');
}

function failedFolder(stateDir: string, study: string): string {
  return within(studyFolder(stateDir, study), 'failed');
}

function readJson<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return null;
  }
}
