import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { prepare } from '../chaos/environment.js';
import { kinds } from '../chaos/faults/index.js';
import { drawRound, selected } from '../chaos/plan.js';
import { naming } from '../chaos/processes.js';
import { tableOf } from '../chaos/report.js';
import type { RoundOutcome } from '../chaos/round.js';
import { search } from '../chaos/search.js';
import { shrink } from '../chaos/shrink.js';

describe('the checker that looks for the next fault', function () {
  this.timeout(1_200_000);

  it('draws the same rounds from the same seed, of every kind, and the parts that are asked for', () => {
    const rounds = Array.from({ length: 40 }, (_, round) => drawRound(7, round, kinds, 2));
    assert.deepEqual(rounds[3], drawRound(7, 3, kinds, 2));
    assert.notDeepEqual(rounds[3], drawRound(8, 3, kinds, 2));
    const drawn = new Set(rounds.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    assert.deepEqual([...drawn].sort(), [...kinds].sort());
    const [plan] = rounds;
    assert.ok(plan);
    const part = selected(plan, { studies: [1], faults: [0, 2] });
    assert.deepEqual([part.studies, part.faults], [[plan.studies[1]], [plan.faults[0], plan.faults[2]]]);
    assert.throws(() => selected(plan, { studies: [2], faults: null }), /has no study 2: it has 2 studies/);
  });

  it('makes a failing round smaller, within so many runs', async () => {
    const outcome = { problems: ['broken'] } as unknown as RoundOutcome;
    const fails = (studies: readonly number[], faults: readonly number[]) => studies.includes(2) && faults.includes(5);
    const tried: string[] = [];
    const whole = { studies: [0, 1, 2], faults: [0, 1, 2, 3, 4, 5, 6] };
    const run = async ({
      studies,
      faults,
    }: {
      studies: readonly number[] | null;
      faults: readonly number[] | null;
    }) => {
      tried.push(`${studies?.join()} ${faults?.join()}`);
      return { ...outcome, problems: fails(studies ?? [], faults ?? []) ? ['broken'] : [] };
    };
    const { selection, runs } = await shrink(whole, outcome, 20, run);
    assert.deepEqual([selection.studies, selection.faults], [[2], [5]]);
    assert.equal(runs, tried.length);
    assert.ok(runs <= 20, `${runs} runs`);
    assert.equal((await shrink(whole, outcome, 2, run)).runs, 2);
  });

  it('ends and removes everything that it has started when it is interrupted', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-interrupted-'));
    const command = ['--import=tsx', 'chaos/main.ts', '--seed', '3', '--kind', 'kill,freeze', '--round', '0'];
    const checker = spawn(process.execPath, command, { env: { ...process.env, TMPDIR: folder } });
    let out = '';
    const ended = new Promise<number | null>((resolve) => checker.once('exit', resolve));
    // The first thing that is done, with its seconds, is printed once server, workers and studies run.
    await new Promise<void>((resolve) => {
      for (const stream of [checker.stdout, checker.stderr])
        stream.on('data', (chunk: Buffer) => /\d s {2}/.test((out += chunk.toString())) && resolve());
      checker.once('exit', () => resolve());
    });
    assert.ok(naming(folder).length > 5, `server and workers run: ${out}`);
    checker.kill('SIGINT');
    assert.equal(await ended, 130, out);
    assert.match(out, /ended by SIGINT/);
    assert.deepEqual(naming(folder), []);
    const left = readdirSync(folder).filter((name) => name.startsWith('everband-'));
    assert.deepEqual(left, []);
    rmSync(folder, { recursive: true });
  });

  it('finds nothing in three minutes', async () => {
    const say = (line: string) => console.log(`      ${line}`);
    const events: string[] = [];
    const { rounds, failure } = await search({
      ...{ minutes: 2, seed: 7, kinds, studies: 3, reruns: 0, python: prepare() },
      ...{ say, hear: (line) => events.push(line) },
    });
    console.log(tableOf(rounds, kinds).replaceAll(/^/gm, '      '));
    assert.equal(failure, null, `${failure?.outcome.problems.join('\n')}\n${failure?.outcome.events.join('\n')}`);
    assert.ok(rounds.length >= 1);
  });
});
