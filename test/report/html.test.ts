import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parse } from 'yaml';
import type { StudyRecord, TrialRecord } from '../../core/record.js';
import type { Config } from '../../core/study.js';
import { reportHtml } from '../../report/html.js';
import { embed, escape, toYaml } from '../../report/markup.js';
import { scaleOf } from '../../report/scale.js';
import { exampleRecord } from './example.js';

/** The record with every trial changed. */
function withTrials(record: StudyRecord, change: (trial: TrialRecord, i: number) => Partial<TrialRecord>): StudyRecord {
  return { ...record, trials: record.trials.map((trial, i) => ({ ...trial, ...change(trial, i) })) };
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

  it('is the same for the same record', () => {
    assert.equal(reportHtml(record), reportHtml(JSON.parse(JSON.stringify(record)) as StudyRecord));
  });

  it('speaks of the algorithm that ran', async () => {
    const told = async (changes: Record<string, unknown>) => {
      const html = reportHtml(await exampleRecord(changes));
      assertClean(html);
      return content(html)
        .replace(/<script[^]*?<\/script>|<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ');
    };
    const asha = { type: 'asha', R: 27, eta: 3, trials: 49 };
    const bohb = await told({ scheduler: { type: 'bohb', R: 27, eta: 3 } });
    assert.match(bohb, /BOHB, R = 27, eta = 3/);
    const plain = await told({ scheduler: asha, predictor: 'none' });
    // It trains more than the table of its rungs says: nothing is saved, and nothing overdrawn.
    assert.match(plain, /epochs trained 237 1 323 if all trained to 27: 82\.1 % less/);
    assert.match(plain, /trained to 27 4 +of 49/);
    assert.match(plain, /b3 rung 2 .*ASHA, R = 27, eta = 3/s);
    assert.doesNotMatch(plain, /saved|planned|round|[Pp]rediction|decision point/);

    const swift = await told({ scheduler: { ...asha, trials: 80 }, predictor: { type: 'swift', minCurves: 5 } });
    assert.match(swift, /epoch 2 6 24 21 0\.76037 \d+ curves .*Swift-ASHA on svr, at least 5 curves/s);

    const fast = await told({ predictor: { type: 'fast', minCurves: 5 } });
    assert.match(fast, /planned, nobody stopped early .*Predictions against truth.* asked about after every epoch/s);
    assert.match(fast, /b3 round 0 0 to 1 27 27 9 27 2\.167 no decision point/);
    assert.match(fast, /b3 round 1 1 to 3 .* every epoch 6 3 1 0\.93234 5 curves .*Fast-Hyperband on svr/s);
    assert.doesNotMatch(fast, /null|[Ss]wift/);

    const median = await told({ predictor: 'median' });
    assert.match(median, /Values against the median .*compared 26 +went on 12 +stopped 14 /s);
    assert.match(median, /above the diagonal it is worse .*last threshold .*median rule, at least 5 trials/s);
    assert.doesNotMatch(median, /[Pp]redict|learnt from/);

    const unstopped = await told({ predictor: 'none' });
    assert.match(unstopped, /not trained [\d.]+ % \d+ epochs of trials that diverged or failed/);
    assert.doesNotMatch(unstopped, /saved|stopped early|[Pp]rediction|decision point/);
    const quantum = await told({ predictor: { type: 'quantum-swift', minCurves: 5 } });
    assert.match(quantum, /Quantum-Swift-Hyperband on annealer/);
  });

  it('escapes study, metric, configuration, reasons and notes', () => {
    const evil = `</script><script>alert(1)</script><img src=x onerror='a()'>"]]>--><!--&amp;\u2028`;
    const config: Config = { [evil]: evil, list: [evil], plain: 1 };
    const hostile: StudyRecord = {
      ...withTrials(record, (trial) => ({
        config,
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
      result: { ...record.result, best: record.result.best && { ...record.result.best, config } },
    };
    const html = reportHtml(hostile);
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
    const large = await exampleRecord({ scheduler: { type: 'full', trials: 1200, maxBudget: 100 }, predictor: 'none' });
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
  });
});

/** `__proto__` sets the prototype in a YAML reader; `<<` merges. */
const safeKey = (key: string) => key !== '__proto__' && key !== '<<';
