/**
 * Records on disk, beyond Temporal's retention: one folder a study under `<state>/studies/<study>/record/`, one file
 * per proposal and closed round, each written whole or not at all. Writing again what is there changes nothing.
 */
import { mkdir, open, rename } from 'node:fs/promises';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { assembleRecord, type BracketMaterial } from '../core/assemble.js';
import type { Proposal } from '../core/propose.js';
import { canonicalJson, type StudyRecord, type StudyResult } from '../core/record.js';
import type { RoundResult } from '../core/round.js';
import type { Study } from '../core/study.js';

/** The folder of a study's records, checkpoints and logs. */
export function studyFolder(stateDir: string, study: string): string {
  return path.join(stateDir, 'studies', study);
}

function recordFolder(stateDir: string, study: string): string {
  return path.join(studyFolder(stateDir, study), 'record');
}

export async function writeStudy(stateDir: string, study: Study): Promise<void> {
  await write(recordFolder(stateDir, study.name), 'study.json', JSON.stringify(study));
}

export async function writeProposal(
  stateDir: string,
  study: Study,
  bracket: string,
  proposal: Proposal
): Promise<void> {
  await write(recordFolder(stateDir, study.name), `${bracket}.proposal.json`, JSON.stringify(proposal));
}

export async function writeRound(stateDir: string, study: string, result: RoundResult): Promise<void> {
  const { bracket, index } = result.record;
  // What later rounds learn from is the workflow's business; the record keeps curves once.
  const round = { ...result, memory: { count: result.memory.count, curves: [], trained: result.memory.trained } };
  await write(recordFolder(stateDir, study), `${bracket}.r${index}.json`, JSON.stringify(round));
}

/** Closes the record: writes `record.json` beside the parts and returns it. */
export async function writeResult(stateDir: string, study: Study, ended: StudyResult['ended']): Promise<StudyRecord> {
  const record = assembleRecord(study, readMaterial(stateDir, study.name), ended);
  await write(recordFolder(stateDir, study.name), 'record.json', canonicalJson(record));
  return record;
}

/** The canonical record; while the study runs, of the rounds closed so far. Null when there is none. */
export function readRecord(stateDir: string, name: string): StudyRecord | null {
  const folder = recordFolder(stateDir, name);
  const whole = path.join(folder, 'record.json');
  if (existsSync(whole)) return JSON.parse(readFileSync(whole, 'utf8')) as StudyRecord;
  const study = readStudy(stateDir, name);
  return study && assembleRecord(study, readMaterial(stateDir, name), null);
}

export function readStudy(stateDir: string, name: string): Study | null {
  const file = path.join(recordFolder(stateDir, name), 'study.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Study) : null;
}

/** Names of the studies that have a record. */
export function listRecords(stateDir: string): string[] {
  const folder = path.join(stateDir, 'studies');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(path.join(recordFolder(stateDir, name), 'study.json')))
    .sort();
}

/** Path of the canonical record of a closed study. */
export function recordFile(stateDir: string, name: string): string {
  return path.join(recordFolder(stateDir, name), 'record.json');
}

function readMaterial(stateDir: string, name: string): BracketMaterial[] {
  const folder = recordFolder(stateDir, name);
  const read = (file: string): unknown => JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
  return readdirSync(folder)
    .filter((file) => file.endsWith('.proposal.json'))
    .map((file) => {
      const id = file.slice(0, -'.proposal.json'.length);
      const rounds: RoundResult[] = [];
      while (existsSync(path.join(folder, `${id}.r${rounds.length}.json`))) {
        rounds.push(read(`${id}.r${rounds.length}.json`) as RoundResult);
      }
      return { id, proposal: read(file) as Proposal, rounds };
    });
}

let writes = 0;

async function write(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const temporary = path.join(folder, `.${name}.${process.pid}.${writes++}`);
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path.join(folder, name));
}
