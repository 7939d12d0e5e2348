/** The contract that workers in both languages keep: python/tests/test_checkpoints.py runs the same scenarios. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Config } from '../../core/study.js';
import { attemptName, checkpointFolder, configHashOf } from '../../trainers/attempts.js';
import type { EpochNumbers } from '../../core/curve.js';
import { claimTrial, removeCheckpoints, TooManyLossesError, type TrialClaim } from '../../trainers/checkpoints.js';
import { CheckpointError, holdCheckpoint } from '../../trainers/held.js';
import { enterStudy, FencedError, studyFolder } from '../../trainers/identity.js';
import { readKnown, triesAlone, type CheckpointScope, type KnownCurve } from '../../trainers/line.js';
import type { SegmentSource, StudyIdentity } from '../../workflows/messages.js';

interface Asked {
  readonly identity: StudyIdentity;
  readonly trial?: string;
  readonly config?: Config;
  /** Further metrics that the study names. */
  readonly metrics?: readonly string[];
  readonly from?: number;
  readonly source?: SegmentSource;
  readonly reset?: number;
}

type Step = { readonly fails?: keyof typeof failures } & (
  | { readonly enter: StudyIdentity; readonly at: number }
  | (Asked & {
      readonly claim: string;
      readonly maxLosses?: number;
      readonly alone?: boolean;
      readonly is?: KnownCurve & { folder: string };
    })
  | { readonly share: string }
  | (Asked & { readonly triesAlone: boolean })
  | (EpochNumbers & { epoch: number; of: string; checkpoint: string | null; text?: string; written?: boolean })
  | { readonly diverge: 'nan' | 'inf' | '-inf'; readonly of: string }
  | { readonly release: string }
  | { readonly fenced: string; readonly is: boolean }
  | (Asked & { readonly known: KnownCurve })
  | { readonly hold: string; readonly at: number; readonly identity: StudyIdentity }
  | { readonly remove: string }
  | { readonly delete: true }
  | { readonly corrupt: string }
  | { readonly write: string; readonly content: string }
  | { readonly link: string; readonly to: string }
  | { readonly text: string; readonly is: string }
  | { readonly hash: string; readonly config: Config; readonly metrics?: readonly string[] }
  | { readonly attempts: readonly string[] }
  | { readonly tree: readonly string[] }
);

const failures = { Fenced: FencedError, TooManyLosses: TooManyLossesError, Checkpoint: CheckpointError };

const file = new URL('../fixtures/checkpoints/scenarios.json', import.meta.url);
const { scenarios } = JSON.parse(readFileSync(file, 'utf8')) as { scenarios: { name: string; steps: Step[] }[] };

describe('the contract of checkpoints', () => {
  for (const { name, steps } of scenarios) {
    it(name, async () => {
      const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-scenario-'));
      const claims = new Map<string, TrialClaim>();
      try {
        for (const [index, step] of steps.entries()) {
          const what = `step ${index + 1}: ${JSON.stringify(step)}`;
          const outcome = await take(step, stateDir, claims).catch((error: unknown) => error);
          if (step.fails) assert.ok(outcome instanceof failures[step.fails], `${what} gave ${String(outcome)}`);
          else if (outcome instanceof Error) throw new Error(`${what}: ${outcome.message}`, { cause: outcome });
        }
      } finally {
        rmSync(stateDir, { recursive: true });
      }
    });
  }
});

async function take(step: Step, stateDir: string, claims: Map<string, TrialClaim>): Promise<void> {
  const folder = studyFolder(stateDir, 's');
  const root = checkpointFolder(stateDir, 's', 't');
  const claimOf = (name: string) => claims.get(name) as TrialClaim;
  const scopeOf = ({ identity, trial = 't', config = { lr: 1 }, from = 0, ...asked }: Asked): CheckpointScope => {
    const { metrics, source, reset } = asked;
    return {
      stateDir,
      study: 's',
      identity,
      trial: { id: trial, config, seed: 1 },
      metric: 'loss',
      metrics,
      from,
      source,
      reset,
    };
  };
  if ('enter' in step) {
    await enterStudy(folder, step.enter, step.at);
  } else if ('claim' in step) {
    const claim = await claimTrial(scopeOf(step), step.maxLosses ?? 10, step.alone);
    claims.set(step.claim, claim);
    if (!step.is) return;
    const start = claim.start && { ...claim.start, path: path.relative(root, claim.start.path) };
    const name = attemptName(claim.claim, step.identity);
    assert.deepEqual({ folder: name, start, ...claim.known }, step.is);
    assert.equal(claim.filesFolder, path.join(root, name, 'files'));
  } else if ('share' in step) {
    await claimOf(step.share).share();
  } else if ('triesAlone' in step) {
    assert.equal(triesAlone(scopeOf(step)), step.triesAlone);
  } else if ('epoch' in step) {
    const { epoch, value, metrics, checkpoint, text = 'state', written = true } = step;
    const claim = claimOf(step.of);
    if (checkpoint !== null && written) writeFileSync(path.join(claim.filesFolder, checkpoint), text);
    claim.record(epoch, { value, ...(metrics ? { metrics } : {}) }, checkpoint, { seconds: 1, others: {} });
    await claim.publish();
  } else if ('diverge' in step) {
    claimOf(step.of).recordDivergence(step.diverge, { seconds: 1, others: {} });
    await claimOf(step.of).publish();
  } else if ('release' in step) {
    await claimOf(step.release).release();
  } else if ('fenced' in step) {
    assert.equal(claimOf(step.fenced).fence() !== null, step.is);
  } else if ('known' in step) {
    assert.deepEqual(readKnown(scopeOf(step)), step.known);
  } else if ('hold' in step) {
    await holdCheckpoint({ stateDir, study: 's', identity: step.identity }, step.hold, step.at);
  } else if ('remove' in step) {
    await removeCheckpoints(stateDir, 's', [step.remove]);
  } else if ('delete' in step) {
    rmSync(folder, { recursive: true });
  } else if ('corrupt' in step) {
    writeFileSync(path.join(folder, step.corrupt), 'STATE');
  } else if ('write' in step) {
    mkdirSync(path.dirname(path.join(folder, step.write)), { recursive: true });
    writeFileSync(path.join(folder, step.write), step.content);
  } else if ('link' in step) {
    rmSync(path.join(folder, step.link), { recursive: true, force: true });
    symlinkSync(step.to, path.join(folder, step.link));
  } else if ('text' in step) {
    assert.equal(readFileSync(path.join(folder, step.text), 'utf8'), step.is);
  } else if ('hash' in step) {
    assert.equal(
      configHashOf({ trial: { config: step.config, seed: 1 }, metric: 'loss', metrics: step.metrics }),
      step.hash
    );
  } else if ('attempts' in step) {
    assert.deepEqual(readdirSync(root).sort(), step.attempts);
  } else {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const files = entries.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
    assert.deepEqual(files.sort(), step.tree);
  }
}
