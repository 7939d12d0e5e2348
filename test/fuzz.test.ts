/**
 * Random input at every edge: it is refused or it is read, and nothing else happens. 10,000 inputs in all; EVERBAND_FUZZ_RUNS
 * says how many of each kind instead.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { ApplicationFailure } from '@temporalio/common';
import { readSegment } from '../activities/segment-input.js';
import { planOf } from '../core/study.js';
import { parseStudy } from '../study/parse.js';
import { formatProblems } from '../study/load.js';
import { attemptName, checkpointFolder, readAttempts, writeManifest, writeNote } from '../trainers/attempts.js';
import { readEpochs } from '../trainers/epoch-log.js';
import { newestIntact, lineOf } from '../trainers/line.js';
import { parseLine } from '../trainers/protocol.js';
import { allowedEntries } from '../trust/allowed.js';
import { sealProblem } from '../trust/seal.js';
import {
  brokenOf,
  controlOf,
  dropTrialOf,
  lateTurnOf,
  retryLateOf,
  retryTrialOf,
  settledOf,
} from '../workflows/parse.js';
import { damaged, json } from './random-json.js';

const kinds = 8;
const runs = Number(process.env['EVERBAND_FUZZ_RUNS'] ?? Math.ceil(10_000 / kinds));
const seed = Number(process.env['EVERBAND_FUZZ_SEED'] ?? 20261127);

const check = <T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void) =>
  fc.assert(fc.property(arbitrary, property), { numRuns: runs, seed });

describe('random input', function () {
  this.timeout(0);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-fuzz-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const study = {
    ...{ name: 's', seed: 1, objective: { metric: 'loss', mode: 'minimise' }, parallelism: 4, budgetUnit: 'epochs' },
    space: {
      lr: { float: [0.001, 1], log: true },
      n: { int: [1, 8], step: 2 },
      kind: { choice: ['a', 'b'] },
      m: { float: [0, 1], when: { parameter: 'kind', in: ['a'] } },
    },
    ...{
      sampler: { type: 'random' },
      scheduler: { type: 'hyperband', R: 9, eta: 3 },
      pruner: { type: 'swift', predictor: 'svr' },
    },
    trainer: { command: ['python3', 'train.py'], cwd: '/x', env: { A: 'b', T: { secret: 'x' } } },
    training: { attempts: 2, parkSeconds: '5m', retry: { oom: { attempts: 2, queue: 'big' } } },
    ...{ limits: { epochs: 100, deadlineSeconds: '1h' }, tryFirst: [{ lr: 0.1, n: 1, kind: 'b' }] },
  };

  it('as a study: every problem has a place and a rule, and what is taken has a plan', () => {
    check(fc.oneof(json, damaged(study), damaged(study)), (given) => {
      const parsed = parseStudy(given, { baseDir: '/x', checkFiles: false, expand: false });
      if (parsed.ok) planOf(parsed.study).table();
      else {
        assert.ok(parsed.problems.length > 0);
        for (const { path: at, rule } of parsed.problems) assert.ok(typeof at === 'string' && rule.length > 0);
        formatProblems(parsed.problems, 'fuzz');
      }
    });
  });

  it('as a line of a trainer', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      json.map((value) => JSON.stringify(value) ?? ''),
      damaged({ epoch: 3, loss: 0.5, accuracy: 1, checkpoint: 'e3' }).map((value) => JSON.stringify(value) ?? ''),
      fc
        .tuple(
          fc.constantFrom('{"epoch":1,"loss":NaN', '{"error":"', '{"ready":', '{"epoch":'),
          fc.string({ maxLength: 40 })
        )
        .map((parts) => parts.join(''))
    );
    check(line, (text) => {
      const message = parseLine(text, 'loss', ['accuracy']);
      if (message.type !== 'epoch') return;
      assert.ok(Number.isSafeInteger(message.epoch));
      assert.ok(
        typeof message.value === 'number'
          ? Number.isFinite(message.value)
          : ['nan', 'inf', '-inf'].includes(message.value)
      );
    });
  });

  it('as a request to train', () => {
    const identity = { id: 'one', incarnation: 0, seal: 'v1.a.b.c' };
    const trial = { id: 'b0-t000', bracket: 'b0', index: 0, globalIndex: 0, config: { x: 1 }, seed: 1 };
    const segment = {
      ...{
        schemaVersion: 4,
        study: 's',
        identity,
        trial,
        metric: 'loss',
        from: 0,
        to: 3,
        shift: 0,
        metrics: ['accuracy'],
      },
      trainer: { type: 'command', command: ['python3', 'train.py'], cwd: '/x', env: {} },
      ...{
        training: { maxLosses: 3, epochTimeoutSeconds: 20, graceSeconds: 5 },
        source: { trial: 'b0-t001', epoch: 3 },
      },
    };
    check(damaged(segment), (given) => {
      const version = (given as { schemaVersion?: unknown } | null)?.schemaVersion;
      if (version !== 2 && version !== 3 && version !== 4) return;
      try {
        const { study: name, trial: read } = readSegment(given);
        for (const one of [name, read.id]) assert.match(one, /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/);
      } catch (error) {
        assert.ok(error instanceof ApplicationFailure && error.nonRetryable, String(error));
      }
    });
  });

  it('as a signal: it is read whole or passed over', () => {
    const control = { paused: true, stopped: false, parallelism: 3, settle: 1, turn: 2 };
    const turn = { trial: 'b0-t000', wants: true, ended: false, turn: 1 };
    const signals = fc.oneof(
      json,
      damaged(control),
      damaged(turn),
      damaged({ child: 'x', settle: 1 }),
      damaged({ cause: 'x' })
    );
    check(signals, (value) => {
      for (const parse of [controlOf, lateTurnOf, settledOf, brokenOf]) {
        const read = parse(value);
        if (read !== null) assert.deepEqual(parse(JSON.parse(JSON.stringify(read))), read);
      }
    });
  });

  it('as an update: it is read whole or refused in a sentence', () => {
    const retry = { trial: 'b0-t000', resetCheckpoint: true, queue: 'big', reset: false };
    check(fc.oneof(json, damaged(retry)), (value) => {
      for (const parse of [retryTrialOf, dropTrialOf, retryLateOf]) {
        try {
          assert.ok(parse(value).trial !== '');
        } catch (error) {
          assert.ok(error instanceof ApplicationFailure && error.type === 'Refused', String(error));
        }
      }
    });
  });

  it('as a seal', () => {
    check(
      fc.oneof(
        json,
        fc.string(),
        damaged('v1.aaaa.bbbb.cccc'),
        fc.array(fc.string(), { maxLength: 6 }).map((all) => ['v1', ...all].join('.'))
      ),
      (seal) => {
        assert.notEqual(
          sealProblem(() => [Buffer.alloc(32)], seal, { study: 's' }),
          null
        );
      }
    );
  });

  it('as files of a trial: manifests, claims and epochs that make no sense are as good as none', async () => {
    const identity = { id: 'one', incarnation: 0 };
    const trial = { id: 't', config: { x: 1 }, seed: 1 };
    const scope = { stateDir: folder, study: 's', identity, trial, metric: 'loss', from: 0 };
    const place = path.join(checkpointFolder(folder, 's', 't'), attemptName(1, identity));
    mkdirSync(path.join(place, 'files'), { recursive: true });
    mkdirSync(path.join(folder, 'studies/s/epochs'), { recursive: true });
    await writeManifest(place, {
      identity,
      configHash: 'x',
      source: null,
      values: [1, 2],
      nonFinite: null,
      checkpoints: [{ epoch: 2, name: 'e2', files: [] }],
    });
    await writeNote(place, { identity, resume: 0, reset: null, alone: true } as never);
    const sound = Object.fromEntries(
      readdirSync(place)
        .filter((name) => /json/.test(name))
        .map((name) => [name, readFileSync(path.join(place, name))])
    );
    const names = Object.keys(sound);
    const edit = fc.record({
      name: fc.constantFrom(...names, '../../../epochs/t.jsonl'),
      at: fc.nat(400),
      bytes: fc.uint8Array({ maxLength: 8 }),
      cut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(edit, async ({ name, at, bytes, cut }) => {
        const before =
          sound[name] ??
          Buffer.from(`${JSON.stringify({ epoch: 1, seconds: 1, host: 'h', attempt: 1, identity, values: {} })}\n`);
        const start = Math.min(at, before.length);
        const after = cut
          ? before.subarray(0, start)
          : Buffer.concat([before.subarray(0, start), bytes, before.subarray(start + bytes.length)]);
        writeFileSync(path.join(place, name), after);
        try {
          readAttempts(checkpointFolder(folder, 's', 't'), identity);
          await newestIntact(lineOf(scope));
          readEpochs(path.join(folder, 'studies/s'), 't');
        } finally {
          if (sound[name]) writeFileSync(path.join(place, name), sound[name]);
        }
      }),
      { numRuns: runs, seed }
    );
  });

  it('as the list of what may be run: it allows nothing', () => {
    mkdirSync(path.join(folder, 'allowed'), { recursive: true });
    check(
      fc.oneof(
        fc.string({ maxLength: 60 }),
        json.map((value) => JSON.stringify(value) ?? '')
      ),
      (text) => {
        writeFileSync(path.join(folder, 'allowed/x.json'), text);
        for (const { entry } of allowedEntries(folder)) assert.ok(Array.isArray(entry.env));
      }
    );
  });
});
