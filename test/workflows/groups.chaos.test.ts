import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson, type StudyRecord } from '../../core/record.js';
import type { SegmentOutcome } from '../../core/trial.js';
import type { Study } from '../../core/study.js';
import type { StudySummary } from '../../scripts/api.js';
import { queryNames, updateNames, workflowIds, type Progress, type StudyStatus } from '../../workflows/messages.js';
import { segmentOf } from '../fixtures/slow-trainer.mjs';
import { Cluster, itReplays, reference, sleep, studyOf, trainedAgain } from '../harness.js';

describe('groups of a study', function () {
  this.timeout(240_000);
  const cluster = new Cluster();
  before(async () => {
    // A study whose first rounds have closed goes on in a new run.
    await cluster.start({ 'limit.historyCount.suggestContinueAsNew': 40 });
    await cluster.worker(['orchestrate', 'predict']);
    await cluster.worker(['train'], 10);
  });
  after(() => cluster.end());

  /** Five brackets, which hold 41 trials. */
  const hyperband = { type: 'hyperband', R: 16, eta: 2 };
  const slow = (name: string, ms: number, more: object = {}) =>
    studyOf({
      name,
      seed: 8,
      space: { x: { float: [0, 0.8] }, ms: { fixed: ms }, divergesAbove: { fixed: 2 } },
      scheduler: hyperband,
      trainer: { module: fileURLToPath(new URL('../fixtures/slow-trainer.mjs', import.meta.url)) },
      parallelism: 5,
      training: { heartbeatSeconds: 2, graceSeconds: 2 },
      ...more,
    });

  async function handleOf(id: string) {
    return (await cluster.client()).workflow.getHandle(id);
  }

  async function update(study: Study, name: string, argument?: object): Promise<string> {
    const handle = await handleOf(workflowIds.study(study.name));
    return handle.executeUpdate(name, { args: (argument ? [argument] : []) as [] });
  }

  /** Workflows of a study that run, or all of them, by id. */
  async function workflowsOf(study: Study, open = true): Promise<string[]> {
    const client = await cluster.client();
    const id = workflowIds.study(study.name);
    const query = `WorkflowId STARTS_WITH '${id}'${open ? " AND ExecutionStatus = 'Running'" : ''}`;
    const found: string[] = [];
    for await (const { workflowId } of client.workflow.list({ query })) found.push(workflowId);
    return found.sort();
  }

  const groupsOf = async (study: Study) =>
    (await workflowsOf(study)).filter((id) => id !== workflowIds.study(study.name));

  async function runsOf(study: Study): Promise<number> {
    return (await workflowsOf(study, false)).filter((id) => id === workflowIds.study(study.name)).length;
  }

  /** How far every group is that runs; null where it cannot be asked right now. */
  async function progressOf(study: Study): Promise<{ id: string; progress: Progress | null }[]> {
    return Promise.all(
      (await groupsOf(study)).map(async (id) => {
        const asked = (await handleOf(id)).query<Progress>(queryNames.progress);
        return { id, progress: await asked.catch(() => null) };
      })
    );
  }

  /** Trials that are parked in groups that run, with the workflow that has them. */
  async function parkedOf(study: Study): Promise<{ trial: string; id: string }[]> {
    const groups = await progressOf(study);
    return groups.flatMap(({ id, progress }) => (progress?.parked ?? []).map(({ trial }) => ({ trial, id })));
  }

  async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
    for (let tries = 0; tries < 150; tries++) {
      if (await holds()) return;
      await sleep(200);
    }
    assert.fail(what);
  }

  /** Nothing but groups with parked trials is left of a run: the study waits for them, to go on in a new one. */
  const waitsForParked = (study: Study) =>
    until('every open group is down to its parked trials', async () => {
      const groups = await progressOf(study);
      const down = groups.every(({ progress }) => {
        return progress !== null && progress.parked.length > 0 && progress.running.length + progress.queued === 0;
      });
      return groups.length > 0 && groups.length < 5 && down && (await runsOf(study)) === 1;
    });

  /** What a study must come to whose trials fail where `never` is their data set; only the stack is as it was recorded. */
  function wantedOf(study: Study, record: StudyRecord, never: string): Promise<StudyRecord> {
    return reference(study, (trial, from, to) => {
      if (trial.config['broken'] !== never) return segmentOf(trial, from, to) as SegmentOutcome;
      const reason = record.trials.find(({ id }) => id === trial.id)?.reason ?? '';
      assert.match(reason, /the data set is not there/);
      return { outcome: 'failed', values: [], reason };
    });
  }

  it('that train together: the study goes on in new runs beside parked trials and operators', async () => {
    const [comes, never] = ['comes', 'never'].map((name) => path.join(cluster.stateDir, name));
    const there = Array.from({ length: 14 }, (_, i) => cluster.stateDir + '/.'.repeat(i));
    const study = slow('together', 20, {
      space: {
        ...{ x: { float: [0, 0.8] }, ms: { fixed: 20 }, divergesAbove: { fixed: 2 } },
        broken: { choice: [comes, never, ...there] },
      },
      tryFirst: [comes, never].map((broken) => ({ x: 0.5, ms: 20, divergesAbove: 2, broken })),
      scheduler: { ...hyperband, order: 'together' },
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 600, heartbeatSeconds: 30, graceSeconds: 30 },
    });
    await cluster.begin(study);
    await waitsForParked(study);
    writeFileSync(comes as string, '');
    await update(study, updateNames.pause);
    const told = new Set<string>();
    /** Takes every trial that is parked up again, or gives it up. */
    const operate = async () => {
      for (const { trial, id } of await parkedOf(study)) {
        const { config } = (await (await handleOf(id)).query(queryNames.trial, trial)) as {
          config: { broken: string };
        };
        const name = config.broken === never ? updateNames.dropTrial : updateNames.retryTrial;
        const answer = (await handleOf(id)).executeUpdate(name, { args: [{ trial }] });
        await answer.then(
          () => told.add(trial),
          () => undefined
        );
      }
    };
    await operate();
    await Promise.all([
      update(study, updateNames.setParallelism, { parallelism: 2 }),
      update(study, updateNames.resume),
    ]);
    const result = cluster.result(study);
    let over = false;
    const refused: string[] = [];
    void result.finally(() => (over = true)).catch(() => undefined);
    for (let i = 0; !over; i++) {
      await operate();
      if ((await groupsOf(study)).length === 0) continue;
      const orders: [string, object?][] = [
        [updateNames.setParallelism, { parallelism: 1 + (i % 6) }],
        [updateNames.pause],
        [updateNames.resume],
      ];
      for (const [name, argument] of orders) {
        await update(study, name, argument).catch(async (error: unknown) => {
          const { status } = await (await handleOf(workflowIds.study(study.name))).describe();
          if (status.name === 'RUNNING') refused.push(`${name}: ${String(error)} ${String((error as Error).cause)}`);
        });
      }
    }
    await result;
    assert.deepEqual(refused, []);
    const record = cluster.record(study);
    const wanted = await wantedOf(study, record, never as string);
    assert.equal(canonicalJson(record), canonicalJson(wanted));
    assert.equal(trainedAgain(cluster.stateDir, study), 0, 'whoever is told to stop saves first');
    assert.ok((await runsOf(study)) > 2, 'the study has gone on in new runs');
    assert.ok(
      wanted.trials.every(({ id, config }) => !String(config['broken']).startsWith(comes as string) || told.has(id))
    );
    const closed = await closedGroups(study);
    assert.equal(new Set(closed).size, closed.length, 'every group is told once');
    assert.equal(closed.length, 15);
  });

  it('that train together: what operators have set holds in the next run', async () => {
    const never = path.join(cluster.stateDir, 'never');
    const study = slow('set-before', 20, {
      space: {
        ...{ x: { float: [0, 0.8] }, ms: { fixed: 20 }, divergesAbove: { fixed: 2 } },
        broken: { choice: [never, ...Array.from({ length: 30 }, (_, i) => cluster.stateDir + '/.'.repeat(i))] },
      },
      tryFirst: [{ x: 0.5, ms: 20, divergesAbove: 2, broken: never }],
      scheduler: { ...hyperband, order: 'together' },
      training: { attempts: 1, backoffSeconds: 0, parkSeconds: 600, heartbeatSeconds: 30, graceSeconds: 30 },
    });
    await cluster.begin(study);
    await waitsForParked(study);
    await update(study, updateNames.pause);
    await update(study, updateNames.setParallelism, { parallelism: 2 });
    const drop = async () => {
      for (const { trial, id } of await parkedOf(study)) {
        const answer = (await handleOf(id)).executeUpdate(updateNames.dropTrial, {
          args: [{ trial }] as unknown as [],
        });
        await answer.catch(() => undefined);
      }
    };
    await until('the study goes on in a new run, paused', async () => {
      await drop();
      return (await runsOf(study)) > 1;
    });
    const { phase, parallelism } = await (
      await handleOf(workflowIds.study(study.name))
    ).query<StudyStatus>(queryNames.status);
    assert.deepEqual([phase, parallelism], ['paused', 2]);
    await update(study, updateNames.resume);
    const ended = cluster.result(study);
    let over = false;
    void ended.finally(() => (over = true)).catch(() => undefined);
    while (!over) await drop();
    await ended;
    const record = cluster.record(study);
    assert.equal(canonicalJson(record), canonicalJson(await wantedOf(study, record, never)));
  });

  /** Groups whose results the runs of a study were told. */
  async function closedGroups(study: Study): Promise<string[]> {
    const client = await cluster.client();
    const closed: string[] = [];
    const query = `WorkflowId = '${workflowIds.study(study.name)}'`;
    for await (const { workflowId, runId } of client.workflow.list({ query })) {
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      for (const event of events ?? []) {
        const id = event.childWorkflowExecutionCompletedEventAttributes?.workflowExecution?.workflowId;
        if (id) closed.push(id);
      }
    }
    return closed;
  }

  /** Lines that the trainers of a study have written. */
  function written(study: Study): number {
    const logs = path.join(cluster.stateDir, 'studies', study.name, 'logs');
    if (!existsSync(logs)) return 0;
    return readdirSync(logs).reduce(
      (sum, file) => sum + readFileSync(path.join(logs, file), 'utf8').split('\n').length,
      0
    );
  }

  async function endsWith(verb: 'terminate' | 'cancel', study: Study): Promise<void> {
    const known = await workflowsOf(study, false);
    const handle = await handleOf(workflowIds.study(study.name));
    await (verb === 'terminate' ? handle.terminate('enough of it') : handle.cancel());
    await until(`${study.name}: every workflow ends`, async () => {
      const states = await Promise.all(known.map(async (id) => (await (await handleOf(id)).describe()).status.name));
      return !states.includes('RUNNING') && (await workflowsOf(study)).length === 0;
    }).catch(async (error: unknown) => {
      throw new Error(`${(error as Error).message}; open: ${(await workflowsOf(study)).join(', ')}`);
    });
    const ended = verb === 'terminate' ? 'terminated' : 'cancelled';
    assert.equal((await handle.describe()).status.name, ended.toUpperCase());
    let before = -1;
    await until(`${study.name}: every trainer stops`, async () => {
      const now = written(study);
      if (now === before) return true;
      before = now;
      await sleep(800);
      return false;
    });
    const { code, err } = await cluster.everband('status', study.name);
    assert.equal(code, 1);
    const why = verb === 'terminate' ? 'was terminated (enough of it)' : 'was cancelled';
    assert.equal(err, `study ${study.name} ${why}; \`everband trials ${study.name}\` shows what it had recorded\n`);
    const { out } = await cluster.everband('list', '--json');
    const listed = (JSON.parse(out) as StudySummary[]).find(({ name }) => name === study.name);
    assert.deepEqual([listed?.state, listed?.phase], [ended, null]);
    await staysReadable(study);
  }

  /** The rounds that had closed, with the bytes of a study that came to its end. */
  async function staysReadable(study: Study): Promise<void> {
    const wanted = await reference(study, (trial, from, to) => segmentOf(trial, from, to) as SegmentOutcome);
    const { brackets, trials } = cluster.record(study);
    const closed = brackets.flatMap(({ id, rounds }) => rounds.map((round) => [id, round] as const));
    assert.ok(closed.length >= (study.scheduler.type === 'full' ? 0 : 1), 'a round has closed');
    for (const [bracket, round] of closed) {
      const same = wanted.brackets.find(({ id }) => id === bracket)?.rounds[round.index];
      assert.deepEqual(round, same);
    }
    const { code, out } = await cluster.everband('trials', study.name, '--json');
    assert.equal(code, 0);
    assert.equal((JSON.parse(out) as unknown[]).length, trials.length);
  }

  const hasClosed = (study: Study) => until('a group has closed', async () => (await closedGroups(study)).length > 0);

  const both = (name: string, more: object) =>
    (['terminate', 'cancel'] as const).map((verb) => [verb, slow(`${name}-${verb}`, 150, more)] as const);

  async function eachEnds(
    studies: readonly (readonly ['terminate' | 'cancel', Study])[],
    ready: (study: Study) => Promise<void>
  ): Promise<void> {
    await Promise.all(
      studies.map(async ([verb, study]) => {
        await cluster.begin(study);
        await until(`${study.name} trains`, () => written(study) > 10);
        await ready(study);
        await endsWith(verb, study);
      })
    );
  }

  it('end with a study of rounds one after the other', async () => {
    await eachEnds(both('rounds', {}), hasClosed);
  });

  it('end with a study whose brackets train together, those without a place too', async () => {
    // Brackets that train longer than two epochs stay open.
    const space = {
      ...{ x: { float: [0, 0.8] }, ms: { fixed: 150 }, divergesAbove: { fixed: 2 } },
      ...{ gate: { fixed: path.join(cluster.stateDir, 'no-gate') }, gateAfter: { fixed: 2 } },
    };
    await eachEnds(both('brackets', { space, scheduler: { ...hyperband, order: 'together' } }), async (study) => {
      await hasClosed(study);
      assert.ok((await groupsOf(study)).length > 1);
      await update(study, updateNames.setParallelism, { parallelism: 1 });
    });
  });

  it('end with a study that is paused', async () => {
    await eachEnds(both('paused', { scheduler: { ...hyperband, order: 'together' } }), async (study) => {
      await hasClosed(study);
      await update(study, updateNames.pause);
      await update(study, updateNames.setParallelism, { parallelism: 1 });
    });
  });

  it('end with a study in whatever moment it is ended', async () => {
    const more = { scheduler: { ...hyperband, order: 'together' } };
    const studies = Array.from({ length: 8 }, (_, i) => slow(`moment-${i}`, 150, more));
    await Promise.all(
      studies.map(async (study, i) => {
        await cluster.begin(study);
        await sleep(150 * i);
        const handle = await handleOf(workflowIds.study(study.name));
        await (i % 2 === 0 ? handle.terminate() : handle.cancel());
      })
    );
    for (const study of studies) {
      let quiet = 0;
      await until(`${study.name}: every workflow ends`, async () => {
        quiet = (await workflowsOf(study)).length === 0 ? quiet + 1 : 0;
        return quiet > 2;
      });
    }
  });

  const shardsGoOn = (study: Study) =>
    until('shards go on in new runs', async () => {
      const shards = (await workflowsOf(study, false)).filter((id) => /\/s\d+$/.test(id));
      return new Set(shards).size < shards.length;
    });

  it('end with a study of shards', async () => {
    const more = {
      scheduler: { type: 'full', trials: 8, R: 260 },
      training: { segmentEpochs: 1, heartbeatSeconds: 2, graceSeconds: 2 },
    };
    await eachEnds(both('shards', more), shardsGoOn);
  });

  it('end with a study of shards that go on in new runs, in whatever moment it is ended', async () => {
    const studies = Array.from({ length: 12 }, (_, i) =>
      slow(`shards-moment-${i}`, 20, {
        scheduler: { type: 'full', trials: 4, maxBudget: 2000 },
        parallelism: 4,
        training: { segmentEpochs: 1, heartbeatSeconds: 2, graceSeconds: 2 },
      })
    );
    for (const [i, study] of studies.entries()) {
      await cluster.begin(study);
      await shardsGoOn(study);
      await sleep(40 * i);
      await (await handleOf(workflowIds.study(study.name))).cancel();
      await until(`${study.name}: every workflow ends`, async () => (await workflowsOf(study)).length === 0);
    }
  });

  it('end with a study that has gone on in a new run', async () => {
    const slower = (verb: string) => path.join(cluster.stateDir, `slower-${verb}`);
    const studies = (['terminate', 'cancel'] as const).map((verb) => {
      const space = { x: { float: [0, 0.8] }, ms: { fixed: 15 }, divergesAbove: { fixed: 2 } };
      const study = slow(`runs-${verb}`, 15, {
        space: { ...space, slower: { choice: [slower(verb), `${slower(verb)}-`] } },
        scheduler: { ...hyperband, order: 'together', iterations: 3 },
      });
      return [verb, study] as const;
    });
    await eachEnds(studies, async (study) => {
      await until('it goes on', async () => (await runsOf(study)) > 1);
      // What trains from here on does not come to its end by itself.
      for (const verb of ['terminate', 'cancel']) {
        if (study.name.endsWith(verb)) for (const more of ['', '-']) writeFileSync(slower(verb) + more, '');
      }
      await until('its groups train', async () => (await groupsOf(study)).length > 0);
    });
  });

  itReplays(cluster, 10);
});
