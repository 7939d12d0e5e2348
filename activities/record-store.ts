/**
 * Records on disk, beyond Temporal's retention: one folder a study under `<state>/studies/<study>/record/`, one file
 * per proposal and closed round, each written whole or not at all. Writing again what is there changes nothing.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { assembleRecord, type BracketMaterial } from '../core/assemble.js';
import { ashaMaterial, type AshaPart } from '../core/asha-rounds.js';
import { planIteration, type BracketPlan } from '../core/plan.js';
import { mergeProposals, type Proposal, type ProposalRequest } from '../core/propose.js';
import { canonicalJson, type StudyRecord, type StudyResult } from '../core/record.js';
import type { ClosedRound, RoundResult } from '../core/round.js';
import type { Study } from '../core/study.js';
import type { Trial } from '../core/trial.js';

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

/** `first`: index of its first trial; a bracket may be proposed in parts. */
export async function writeProposal(
  stateDir: string,
  study: Study,
  { bracket, first = 0 }: ProposalRequest,
  proposal: Proposal
): Promise<void> {
  await write(recordFolder(stateDir, study.name), `${bracket}.p${first}.json`, JSON.stringify(proposal));
}

/** What was proposed for the request before; null when it is new. */
export function readProposal(stateDir: string, study: Study, request: ProposalRequest): Proposal | null {
  const file = path.join(recordFolder(stateDir, study.name), `${request.bracket}.p${request.first ?? 0}.json`);
  if (!existsSync(file)) return null;
  const proposal = JSON.parse(readFileSync(file, 'utf8')) as Proposal;
  return proposal.trials.length === request.count ? proposal : null;
}

/** Every trial proposed so far with a global index below `end`, in global order. */
export function readProposed(stateDir: string, study: string, end: number): Trial[] {
  const folder = recordFolder(stateDir, study);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => /\.p\d+\.json$/.test(file) && !file.startsWith('.'))
    .flatMap((file) => (JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Proposal).trials)
    .filter(({ globalIndex }) => globalIndex < end)
    .sort((a, b) => a.globalIndex - b.globalIndex);
}

export async function writeRound(stateDir: string, study: string, result: RoundResult): Promise<void> {
  const { bracket, index } = result.record;
  // What later rounds learn from is the workflow's business; the record keeps curves once.
  const round: ClosedRound = { record: result.record, outcomes: result.outcomes };
  await write(recordFolder(stateDir, study), `${bracket}.r${index}.json`, JSON.stringify(round));
}

/** `first`: events in the parts before. */
export async function writeAshaPart(
  stateDir: string,
  study: string,
  bracket: string,
  first: number,
  part: AshaPart
): Promise<void> {
  const folder = recordFolder(stateDir, study);
  // Of an execution that was terminated or reset: what is written now follows on what is kept.
  for (const later of partsIn(folder, bracket, 'e').filter(({ number }) => number >= first)) {
    await rm(path.join(folder, later.file));
  }
  await write(folder, `${bracket}.e${first}.json`, JSON.stringify(part));
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

/** Proposals, closed rounds, events. */
type PartKind = 'p' | 'r' | 'e';

/** A bracket's files of a kind, in order of the number in their name. */
function partsIn(folder: string, bracket: string, kind: PartKind): { file: string; number: number }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((file) => {
      const number = file.startsWith(`${bracket}.${kind}`)
        ? /^\.[pre](\d+)\.json$/.exec(file.slice(bracket.length))?.[1]
        : null;
      return number ? [{ file, number: Number(number) }] : [];
    })
    .sort((a, b) => a.number - b.number);
}

function readMaterial(stateDir: string, name: string): BracketMaterial[] {
  const folder = recordFolder(stateDir, name);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder);
  const study = readStudy(stateDir, name);
  const parts = <T>(id: string, kind: PartKind): T[] =>
    partsIn(folder, id, kind).map(({ file }) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as T);
  const ids = new Set(files.flatMap((file) => /^([^.]+)\.p\d+\.json$/.exec(file)?.[1] ?? []));
  return [...ids].map((id): BracketMaterial => {
    const proposals = parts<Proposal>(id, 'p');
    if (study?.scheduler.type !== 'asha') {
      return { id, proposal: mergeProposals(proposals), rounds: parts<ClosedRound>(id, 'r') };
    }
    const plan = planIteration(study.scheduler, study.predictor, 1)[0] as BracketPlan;
    return ashaMaterial(plan, study.objective, proposals, parts<AshaPart>(id, 'e'));
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
