import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parse } from 'yaml';
import type { StudyRecord, TrialRecord } from '../../core/record.js';
import type { Config } from '../../core/study.js';
import { reportHtml } from '../../report/html.js';
import { embed, escape, short } from '../../report/markup.js';
import { scaleOf } from '../../report/scale.js';
import { toYaml } from '../../report/yaml.js';
import { exampleEpochs, exampleRecord, otherFormats, populationRecord } from './example.js';

/** The record with every trial changed. */
function withTrials(record: StudyRecord, change: (trial: TrialRecord, i: number) => Partial<TrialRecord>): StudyRecord {
  return { ...record, trials: record.trials.map((trial, i) => ({ ...trial, ...change(trial, i) })) };
}

/** The text of the table of trials, cell by cell. */
function trialsIn(html: string): { heads: string[]; rows: string[][] } {
  const table = /<table id="table">(.*?)<\/table>/s.exec(html)?.[1] ?? '';
  const [heads = [], ...rows] = [...table.matchAll(/<tr.*?<\/tr>/gs)].map(([row]) =>
    [...row.matchAll(/<t[hd].*?<\/t[hd]>/gs)].map(([cell]) => cell.replace(/<[^>]*>/g, ''))
  );
  return { heads, rows };
}

const unclean = /NaN|Infinity|undefined|\[object/;
/** The page without its own script and style, which are the same for every study. */
const content = (html: string) => html.replace(/<script>[^]*?<\/script>|<style>[^]*?<\/style>/g, '');

function assertClean(html: string): void {
  assert.doesNotMatch(content(html), unclean);
  assert.doesNotMatch(html, /(?:https?:)?\/\/[a-z]|\b(?:src|action|srcset)=|@import|url\((?!#)/i);
  for (const [, target] of html.matchAll(/href="([^"]*)"/g)) assert.match(target ?? '', /^(?:#[a-z]+|data:,)$/);
  assert.equal(html.match(/<script/gi)?.length, 2);
}

describe('report', function () {
  this.timeout(60_000);
  let record: StudyRecord;
  before(async () => {
    record = await exampleRecord();
  });

  it('fetches nothing and shows every fate', () => {
    const html = reportHtml(record);
    assertClean(html);
    for (const trial of record.trials) assert.ok(html.includes(`<th scope="row">${trial.id}</th>`));
    for (const fate of ['completed', 'outranked', 'stopped', 'diverged', 'failed'] as const) {
      assert.ok(record.result.fates[fate] > 0, `the example has no ${fate} trial`);
      assert.ok(html.includes(`<g data-fate="${fate}"`), fate);
    }
  });

  it('shows what was reported beside the objective at the last epoch, and how long it took', () => {
    const html = reportHtml(record, exampleEpochs(record));
    assertClean(html);
    const { rows, heads } = trialsIn(html);
    assert.deepEqual(heads.slice(-6), ['accuracy', 'gradientNorm', 'time', 'time an epoch', 'host', 'note']);
    const cells = (fate: string, epochs: number) =>
      rows.find((row) => row[1] === fate && row[2] === String(epochs))?.slice(-6, -1);
    assert.deepEqual(cells('completed', 27), ['0.526', '1.4901e-8', '19 min 28 s', '43.3 s', 'gpu-2']);
    assert.deepEqual(cells('outranked', 1), ['0.5', '1', '40 s', '40 s', 'gpu-1']);
    const [diverged] = record.trials.filter(({ fate }) => fate === 'diverged');
    assert.ok(diverged?.divergedAt);
    assert.equal(cells('diverged', diverged.divergedAt)?.[1], 'not finite');
    assert.match(html, /beside the objective is that of the last epoch\. All epochs together took \d+ h \d\d min\./);

    const plain = reportHtml(record);
    assert.deepEqual(trialsIn(plain).heads.slice(-2), ['momentum', 'note']);
    assert.match(plain, /a column head sorts\.<\/p>/);
  });

  it('shows a number of the last epoch only, and none of epochs that the record does not have', () => {
    const one = { ...record, trials: record.trials.slice(0, 1).map((trial) => ({ ...trial, values: [3, 2] })) };
    const kept = (epoch: number, seconds: number, values: Record<string, number>) => ({
      ...{ epoch, seconds, host: 'h', attempt: 1, values },
    });
    const read = () => [kept(1, 0.004, { early: 1 }), kept(2, 0.006, { toString: 5 }), kept(3, 9, { later: 1 })];
    const { heads, rows } = trialsIn(reportHtml(one, read));
    assert.deepEqual(heads.slice(-4), ['toString', 'time', 'time an epoch', 'host']);
    assert.deepEqual(rows[0]?.slice(-4), ['5', '0.01 s', '0.005 s', 'h']);
  });

  it('shows the schedule and the lineage of a population', async () => {
    const population = await populationRecord();
    const html = reportHtml(population);
    assertClean(html);
    const exploits = population.trials.flatMap(({ id, lineage = [] }) => lineage.map((one) => ({ id, ...one })));
    const text = (section: string) =>
      (new RegExp(`<section id="${section}">(.*?)</section>`, 's').exec(html)?.[1] ?? '').replace(/<[^>]*>/g, ' ');
    const words = (section: string) => text(section).replace(/\s+/g, ' ');
    for (const { id, epoch, donor, config } of exploits) {
      const row = [id, epoch, donor, epoch, short(Number(config['dropout'])), short(Number(config['lr']))].join(' ');
      assert.ok(words('lineage').includes(` ${row} `), row);
    }
    const steps = population.result.best?.schedule ?? [];
    assert.ok(exploits.length > 0 && steps.length > 1);
    for (const { from, to, config } of steps) {
      const row = [from + 1, 'to', to, short(Number(config['dropout'])), short(Number(config['lr']))].join(' ');
      assert.ok(words('best').includes(` ${row} `), row);
    }
    assert.match(html, /<a href="#lineage">Lineage<\/a>/);
    assert.doesNotMatch(reportHtml(record), /[Ll]ineage|Schedule</);

    const many = Array.from({ length: 2001 }, () => exploits[0] as (typeof exploits)[number]);
    const bounded = reportHtml(withTrials(population, (_, i) => (i === 0 ? { lineage: many } : {})));
    assert.equal(/<section id="lineage">(.*?)<\/section>/s.exec(bounded)?.[1]?.match(/<tr>/g)?.length, 2001);
    assert.match(bounded, /The first 2\u2009000 of 2\u2009\d{3}\./);
  });

  it('is the same for the same record', () => {
    assert.equal(reportHtml(record), reportHtml(JSON.parse(JSON.stringify(record)) as StudyRecord));
  });

  it('speaks of the algorithm that ran', async () => {
    const read = (one: StudyRecord) => {
      const html = reportHtml(one);
      assertClean(html);
      return content(html)
        .replace(/<script[^]*?<\/script>|<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ');
    };
    const told = async (changes: Record<string, unknown>) => read(await exampleRecord(changes));
    const asha = { type: 'asha', R: 27, eta: 3, trials: 49 };
    const bohb = await told({ scheduler: { type: 'bohb', R: 27, eta: 3 } });
    assert.match(bohb, /BOHB, R = 27, eta = 3, minBudget = 1, brackets = all, .* tpe sampler/);
    const plain = await told({ scheduler: asha, pruner: 'none' });
    // It trains more than the table of its rungs says: nothing is saved, and nothing overdrawn.
    assert.match(plain, /epochs trained 190 1 323 if all trained to 27: 85\.6 % less/);
    assert.match(plain, /trained to 27 3 +of 49/);
    assert.match(plain, /ASHA promotes while .*b3 rung 2 .*ASHA, R = 27, .*trials = 49.*, random sampler no pruner/s);
    assert.doesNotMatch(plain, /saved|planned|round|[Pp]rediction|decision point/);

    const alone = await exampleRecord({ scheduler: { ...asha, trials: 80 }, pruner: { type: 'swift', minCurves: 5 } });
    const swift = read(alone);
    const decision = alone.brackets[0]?.rounds[1]?.decision;
    assert.ok(decision && decision.threshold !== null && decision.predictions.some((one) => !one.goesOn));
    const { sentOn, predictions, threshold, trainedOn } = decision;
    const stopped = predictions.filter((one) => !one.goesOn).length;
    const cells = [sentOn.length, predictions.length, stopped, short(threshold), trainedOn, 'curves'].join(' ');
    assert.ok(swift.includes(`epoch 2 ${cells} `), cells);
    assert.match(swift, /last threshold .*Swift-ASHA on svr, at least 5 curves/s);

    const fast = await told({ pruner: { type: 'fast', minCurves: 5 } });
    assert.match(fast, /planned, nobody stopped early .*Predictions against truth.* asked about after every epoch/s);
    assert.match(fast, /b3 round 0 0 to 1 27 27 9 27 2\.2038 no decision point/);
    assert.match(fast, /b3 round 1 1 to 3 .* every epoch 6 3 0 0\.92973 5 curves .*Fast-Hyperband on svr/s);
    assert.doesNotMatch(fast, /null|[Ss]wift/);

    const median = await told({ pruner: 'median' });
    assert.match(median, /Values against thresholds .*compared \d+ +went on \d+ +stopped \d+ /s);
    assert.match(median, /above the diagonal it was worse .*last threshold .*median rule, at least 5 trials/s);
    assert.doesNotMatch(median, /[Pp]redict|learnt from/);

    const unstopped = await told({ pruner: 'none' });
    assert.match(unstopped, /not trained [\d.]+ % \d+ epochs of trials that diverged or failed/);
    assert.doesNotMatch(unstopped, /saved|stopped early|[Pp]rediction|decision point/);
    const upwards = await told({ pruner: 'median', objective: { metric: 'accuracy', mode: 'maximise' } });
    assert.match(upwards, /higher is better .*below the diagonal it was worse /s);
    const quantum = await told({ pruner: { type: 'quantum-swift', minCurves: 5 } });
    assert.match(quantum, /Quantum-Swift-Hyperband on annealer/);
  });

  it('refuses a record of another format, and says what it reads', () => {
    for (const old of otherFormats(record)) {
      const seen = old.format ? /is of the format "everband-record\/1"/ : /has no format/;
      assert.throws(() => reportHtml(old), { name: 'RangeError', message: seen });
      assert.throws(
        () => reportHtml(old),
        /this version of Everband reads "everband-record\/2": .* run the study again\.$/
      );
    }
  });

  it('escapes study, metric, configuration, reasons, notes, hosts, reported numbers and lineage', () => {
    const evil = `</script><script>alert(1)</script><img src=x onerror='a()'>"]]>--><!--&amp;\u2028`;
    const config: Config = { [evil]: evil, list: [evil], plain: 1 };
    const hostile: StudyRecord = {
      ...withTrials(record, (trial) => ({
        config,
        lineage: [{ epoch: 1, donor: evil, config }],
        ...(trial.fate === 'failed' ? { reason: evil } : {}),
      })),
      study: evil,
      objective: { ...record.objective, metric: evil },
      brackets: record.brackets.map((bracket) => ({
        ...bracket,
        rounds: bracket.rounds.map((round) =>
          round.decision ? { ...round, decision: { ...round.decision, error: evil } } : round
        ),
      })),
      result: {
        ...record.result,
        best: record.result.best && { ...record.result.best, config, schedule: [{ from: 0, to: 1, config }] },
      },
    };
    const html = reportHtml(hostile, (id) =>
      exampleEpochs(record)(id).map((one) => ({ ...one, host: evil, values: { [evil]: 1 } }))
    );
    assert.equal(html.match(/<script/gi)?.length, 2);
    assert.equal(html.match(/<\/script/gi)?.length, 2);
    assert.doesNotMatch(html, /<img|alert\(1\)<|<!--/);
    const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1];
    assert.equal((JSON.parse(data ?? '') as { metric: string }).metric, evil);
  });

  it('leaves no text that could become markup', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(escape(text), /[<>"'`\0]/);
        assert.doesNotMatch(embed(text), /[<>&\u2028\u2029]/);
        assert.equal(JSON.parse(embed(text)), text);
      })
    );
  });

  it('never draws a number that is none, however odd the values', () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(0, -0, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 1e-300, 1)
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), fc.constantFrom('minimise', 'maximise'), (values, mode) => {
        const odd = withTrials(record, (_, i) => ({ values: values.slice(i % 5) }));
        assertClean(reportHtml({ ...odd, objective: { metric: 'loss', mode } }));
        const scale = scaleOf(values, { metric: 'loss', mode });
        for (const one of [...values, ...scale.ticks]) assert.ok(Number.isFinite(scale.at(one)));
      }),
      { numRuns: 60 }
    );
  });

  it('says so when there is nothing to show', () => {
    const empty: StudyRecord = {
      ...record,
      brackets: [],
      trials: [],
      result: {
        ...record.result,
        ended: 'stopped',
        best: null,
        trials: 0,
        epochs: 0,
        plannedEpochs: 0,
        fates: { completed: 0, outranked: 0, stopped: 0, diverged: 0, failed: 0, unfinished: 0 },
      },
    };
    const html = reportHtml(empty);
    assertClean(html);
    assert.match(html, /no best configuration/);
    assertClean(reportHtml(withTrials(record, () => ({ values: [], config: {} }))));
  });

  it('stays below 3 MB for 1,200 trials of 100 epochs', async () => {
    const large = await exampleRecord({ scheduler: { type: 'full', trials: 1200, maxBudget: 100 }, pruner: 'none' });
    const html = reportHtml(large);
    assertClean(html);
    assert.ok(html.length < 3e6, `${html.length} characters`);
  });

  it('uses a logarithmic scale where losses lie far apart, and never for a range with zero', () => {
    const minimise = { metric: 'loss', mode: 'minimise' } as const;
    assert.equal(scaleOf([0.001, 1], minimise).log, true);
    assert.equal(scaleOf([0.5, 1], minimise).log, false);
    assert.equal(scaleOf([0, 1000], minimise).log, false);
    assert.equal(scaleOf([0.01, 0.99], { metric: 'accuracy', mode: 'maximise' }).log, false);
  });

  it('writes configurations as YAML that reads back, in version 1.1 too', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
      fc.boolean(),
      fc.constantFrom(null, 'no', 'y', '1e-5', '0x1f', '', ' a', '1:30', '~', '2001-01-01', '.nan', 1e-5, 1e21, '<<')
    );
    const value = fc.oneof(
      leaf,
      fc.array(leaf),
      fc.dictionary(fc.string().filter(safeKey), leaf, { noNullPrototype: true })
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string().filter(safeKey), value, { noNullPrototype: true }), (config) => {
        for (const version of ['1.1', '1.2'] as const) assert.deepEqual(parse(toYaml(config), { version }), config);
      })
    );
    // What PyYAML reads as something else, or not at all.
    const text = { lr: 1e-7, big: -1e21, text: '=', no: 'on', tab: 'a\tb', next: 'a\x85b', list: ['1:30', 'sgd'] };
    assert.equal(
      toYaml(text),
      'lr: 1.0e-7\nbig: -1.0e+21\ntext: "="\n"no": "on"\ntab: "a\\tb"\nnext: "a\\u0085b"\nlist:\n  - "1:30"\n  - sgd\n'
    );
  });
});

/** `__proto__` sets the prototype in a YAML reader; `<<` merges. */
const safeKey = (key: string) => key !== '__proto__' && key !== '<<';
