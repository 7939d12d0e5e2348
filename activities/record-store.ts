/**
 * Records on disk, beyond Temporal's retention: one folder a study under `<state>/studies/<study>/record/`, one file
 * per proposal, closed round and part of a log, each written whole or not at all. The first line of a file is the
 * SHA-256 digest of the rest. Writing again what is there changes nothing.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { assembleRecord } from '../core/assemble.js';
import { foldRounds, oneByOne, type KeptGroup, type Material } from '../core/engine/material.js';
import type { Proposal, ProposalRequest } from '../core/engine/propose.js';
import type { Ended } from '../core/engine/work.js';
import type { EnteredRound } from '../core/recover.js';
import { canonicalJson, digestOf, type StudyRecord } from '../core/record.js';
import { planOf, type Study } from '../core/study.js';
import type { Trial } from '../core/trial.js';
import { removeBegun, removeWithin, writeWhole } from '../trainers/checkpoint-files.js';
import { studyFolder } from '../trainers/identity.js';
import { placeName, within } from '../trust/places.js';
import type { RecordPart } from '../workflows/messages.js';
import { isDigestBlock, type Digests } from '../workflows/digests.js';
import { fileNames } from '../workflows/file-names.js';

export { studyFolder };

function recordFolder(stateDir: string, study: string): string {
  return within(studyFolder(stateDir, study), 'record');
}

/** Path of the canonical record of a closed study. */
export function recordFile(stateDir: string, name: string): string {
  return path.join(recordFolder(stateDir, name), 'record.json');
}

export async function writeStudy(stateDir: string, study: Study): Promise<void> {
  await write(recordFolder(stateDir, study.name), 'study.json', JSON.stringify(study));
}

/** Null where there is none, or none that can be read: the workflow of a study that runs writes it again at the end. */
export function readStudy(stateDir: string, name: string): Study | null {
  try {
    return JSON.parse(readFileSync(path.join(recordFolder(stateDir, name), 'study.json'), 'utf8')) as Study;
  } catch {
    return null;
  }
}

/** Names of the studies that have a record. */
export function listRecords(stateDir: string): string[] {
  const folder = path.join(stateDir, 'studies');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => placeName.test(name) && existsSync(path.join(recordFolder(stateDir, name), 'study.json')))
    .sort();
}

/** Writes a file of a record, its digest first. */
export async function writeFile(stateDir: string, study: string, name: string, text: string): Promise<void> {
  const part = partNumber(name);
  if (part !== null) {
    // Of an execution that was terminated or reset: what is written now follows on what is kept.
    for (const later of filesOf(stateDir, study, partName)) {
      if ((partNumber(later) ?? 0) > part) await removeWithin(recordFolder(stateDir, study), later);
    }
  }
  await write(recordFolder(stateDir, study), name, `${digestOf(text)}\n${text}`);
}

/** A file of a record; null when it is missing, cut or changed. */
export function readFile<T>(stateDir: string, study: string, name: string): T | null {
  const text = textOf(within(recordFolder(stateDir, study), name));
  return text === null ? null : (JSON.parse(text) as T);
}

/** Whether a file of a record is there, with this digest. */
export function isSound(stateDir: string, study: string, name: string, digest: string): boolean {
  const text = textOf(within(recordFolder(stateDir, study), name));
  return text !== null && digestOf(text) === digest;
}

/** Files named at once, so that they fit into a message. */
const maxDamaged = 1000;

/** Files that are missing or others than these digests say, where need be by what files of digests say. */
export function damagedOf(stateDir: string, study: string, digests: Digests): Digests {
  const sound = ([name, digest]: readonly [string, string]) => isSound(stateDir, study, name, digest);
  const all = Object.entries(digests);
  const lost = all.filter((one) => !sound(one));
  for (const [name] of all.filter(([one]) => isDigestBlock(one))) {
    if (lost.length >= maxDamaged) break;
    lost.push(...Object.entries(readFile<Digests>(stateDir, study, name) ?? {}).filter((one) => !sound(one)));
  }
  return Object.fromEntries(lost.slice(0, maxDamaged));
}

/** What follows on a file's digest; null when the file is missing, cut or changed. */
export function textOf(file: string): string | null {
  if (!existsSync(file)) return null;
  const whole = readFileSync(file, 'utf8');
  const end = whole.indexOf('\n');
  const text = whole.slice(end + 1);
  return end > 0 && digestOf(text) === whole.slice(0, end) ? text : null;
}

/** What was proposed for the request before; null when it is new. */
export function readProposal(stateDir: string, study: string, request: ProposalRequest): Proposal | null {
  const name = fileNames.proposal(request.bracket, request.first ?? 0);
  const proposal = readFile<Proposal>(stateDir, study, name);
  return proposal && proposal.trials.length <= request.count ? proposal : null;
}

/** Every trial proposed so far with a global index below `end`, in global order. */
export function readProposed(stateDir: string, study: string, end: number): Trial[] {
  return filesOf(stateDir, study, proposalName)
    .flatMap((name) => readFile<Proposal>(stateDir, study, name)?.trials ?? [])
    .filter(({ globalIndex }) => globalIndex < end)
    .sort((a, b) => a.globalIndex - b.globalIndex);
}

/** The trials of a bracket with these indexes, as far as they were proposed. */
export function readTrials(stateDir: string, study: string, bracket: string, indexes: readonly number[]): Trial[] {
  const wanted = new Set(indexes);
  const firsts = filesOf(stateDir, study, proposalName)
    .map((name) => ({ name, own: proposalName.exec(name) }))
    .flatMap(({ name, own }) => (own?.[1] === bracket ? [{ name, first: Number(own[2]) }] : []))
    .sort((a, b) => a.first - b.first);
  return firsts
    .filter(({ first }, i) => {
      const next = firsts[i + 1]?.first ?? Infinity;
      return indexes.some((index) => index >= first && index < next);
    })
    .flatMap(({ name }) => readFile<Proposal>(stateDir, study, name)?.trials ?? [])
    .filter(({ index }) => wanted.has(index));
}

/** Rounds that others led to and that have begun, in no order. */
export function readEntered(stateDir: string, study: string): EnteredRound[] {
  return filesOf(stateDir, study, enteredName).flatMap((name) => readFile<EnteredRound>(stateDir, study, name) ?? []);
}

/** Whether any group of a study has closed. */
export function hasClosed(stateDir: string, study: string): boolean {
  return [roundName, partName].some((name) => filesOf(stateDir, study, name).length > 0);
}

/** Closed groups of a study, in no order. */
export function readGroups(stateDir: string, study: string): KeptGroup[] {
  return [
    ...filesOf(stateDir, study, roundName).flatMap((name) => readFile<KeptGroup>(stateDir, study, name) ?? []),
    ...readParts(stateDir, study).flatMap((part) => part.closed),
  ];
}

/** Closes the record: writes `record.json` beside the parts and returns it. */
export async function writeResult(stateDir: string, study: Study, ended: Ended): Promise<StudyRecord> {
  const record = assembleRecord(study, readMaterial(stateDir, study, ended), ended);
  await write(recordFolder(stateDir, study.name), 'record.json', canonicalJson(record));
  return record;
}

/** Removes what writers left behind that were killed; once the study is closed, nobody but late retries writes any more. */
export async function removeHalfWritten(stateDir: string, study: string): Promise<void> {
  const root = studyFolder(stateDir, study);
  const below = async (folder: string) => {
    const names = await readdir(path.join(root, folder)).catch(() => []);
    return names.map((name) => path.join(folder, name));
  };
  const attempts = await Promise.all((await below('checkpoints')).map(below));
  await removeBegun(root, ['.', 'record', 'failed', ...attempts.flat()]);
}

/** The canonical record; while the study runs, of what has closed so far. Null when there is none. */
export function readRecord(stateDir: string, name: string): StudyRecord | null {
  const whole = recordFile(stateDir, name);
  if (existsSync(whole)) return JSON.parse(readFileSync(whole, 'utf8')) as StudyRecord;
  const study = readStudy(stateDir, name);
  return study && assembleRecord(study, readMaterial(stateDir, study, null), null);
}

const proposalName = /^([^.]+)\.p(\d+)\.json$/;
const roundName = /^[^.]+-r\d+\.json$/;
const enteredName = /^[^.]+-r\d+\.entered\.json$/;
const partName = /^part-(\d+)\.json$/;

function partNumber(name: string): number | null {
  const number = partName.exec(name)?.[1];
  return number === undefined ? null : Number(number);
}

function filesOf(stateDir: string, study: string, name: RegExp): string[] {
  const folder = recordFolder(stateDir, study);
  return existsSync(folder) ? readdirSync(folder).filter((file) => name.test(file)) : [];
}

function readParts(stateDir: string, study: string): RecordPart[] {
  const parts: RecordPart[] = [];
  // Parts follow on each other; what an execution wrote that was terminated or reset since does not.
  for (let first = 0; ; first += parts.at(-1)?.log.length ?? 0) {
    const part = readFile<RecordPart>(stateDir, study, fileNames.part(first));
    if (!part || part.log.length === 0) return parts;
    parts.push(part);
  }
}

/** Digests of a record's files by name, without those that only hold others', and the names of those that were cut or changed. */
export function readSums(stateDir: string, study: string): { digests: Record<string, string>; damaged: string[] } {
  const digests: Record<string, string> = {};
  const damaged: string[] = [];
  for (const name of filesOf(stateDir, study, /^[^.].*\.json$/)) {
    if (name === 'study.json' || name === 'record.json') continue;
    const text = textOf(path.join(recordFolder(stateDir, study), name));
    if (text === null) damaged.push(name);
    // No result comes out of who came to a round, nor out of digests.
    else if (!enteredName.test(name) && !isDigestBlock(name)) digests[name] = digestOf(text);
  }
  return { digests, damaged };
}

/** Removes what says who came to a round and was cut or changed: once the study is closed, nobody writes or reads it again. */
export async function removeDamagedEntered(stateDir: string, study: string): Promise<void> {
  const folder = recordFolder(stateDir, study);
  const damaged = filesOf(stateDir, study, enteredName).filter((name) => textOf(path.join(folder, name)) === null);
  for (const name of damaged) await removeWithin(folder, name);
}

/** What has closed, and the log of a study without rounds; `lacks`: a part of it that others follow on. */
export function readClosed(
  stateDir: string,
  study: Study
): { readonly closed: readonly KeptGroup[]; readonly log: readonly string[]; readonly lacks: string | null } {
  const parts = readParts(stateDir, study.name);
  const log = parts.flatMap((part) => part.log);
  const later = filesOf(stateDir, study.name, partName).some((name) => (partNumber(name) ?? 0) >= log.length);
  return { closed: readGroups(stateDir, study.name), log, lacks: later ? fileNames.part(log.length) : null };
}

function readMaterial(stateDir: string, study: Study, ended: Ended | null): Material {
  const { name } = study;
  const order = new Map(planOf(study).first.map(({ id }, i) => [id, i]));
  const place = (bracket: string) => order.get(bracket) ?? 0;
  const proposals = filesOf(stateDir, name, proposalName)
    .map((file) => ({ file, own: proposalName.exec(file) }))
    .sort((a, b) => {
      const [x, y] = [a.own?.[1] ?? '', b.own?.[1] ?? ''];
      return place(x) - place(y) || (x < y ? -1 : x > y ? 1 : 0) || Number(a.own?.[2]) - Number(b.own?.[2]);
    })
    .flatMap(({ file }) => readFile<Proposal>(stateDir, name, file) ?? []);
  if (!oneByOne(study)) {
    const kept = filesOf(stateDir, name, roundName).flatMap((file) => readFile<KeptGroup>(stateDir, name, file) ?? []);
    return { proposals, ...foldRounds(study, kept, ended, proposals) };
  }
  const parts = readParts(stateDir, name);
  const log = parts.flatMap((part) => part.log);
  return { proposals, closed: parts.flatMap((part) => part.closed), log, promotions: new Map() };
}

async function write(folder: string, name: string, text: string): Promise<void> {
  const file = within(folder, name);
  await mkdir(folder, { recursive: true });
  await writeWhole(file, text);
}
