import assert from 'node:assert/strict';
import { planOf } from '../../core/study.js';
import { algorithmNames, algorithms, endless, studyOf, yardstick } from '../../simulate/algorithms.js';
import { setting } from './curves.js';

describe('algorithms by name', () => {
  it('are all studies that a file could have', () => {
    for (const name of algorithmNames) {
      const study = studyOf(name, setting(81, 3));
      assert.equal(study.scheduler.maxBudget, 81, name);
      assert.ok((algorithms[name]?.describe.length ?? 0) > 10, name);
    }
  });

  it('have what Hyperband spends to spend, or no more trials than it', () => {
    const { epochs, trials } = yardstick(81, 3);
    assert.deepEqual([epochs, trials], [1581, 143]);
    const plan = (name: string) => {
      return planOf(studyOf(name, setting(81, 3))).table();
    };
    assert.equal(plan('full').trials, 143);
    assert.equal(plan('random').epochs, 19 * 81);
    assert.equal(plan('successive-halving').trials, 81);
    assert.equal(plan('hyperband').epochs, 1581);
    assert.equal(plan('hyperband:brackets=1').brackets.length, 1);
    assert.equal(studyOf('asha', setting(81, 3)).limits.epochs, 1581);
    assert.equal(studyOf('asha:trials=7', setting(81, 3)).limits.epochs, undefined);
  });

  it('take settings after a colon', () => {
    const swift = studyOf('swift:d=5:k=1:predictor=last:eta=4', setting(81, 3));
    assert.deepEqual(swift.pruner, {
      type: 'swift',
      predictor: { type: 'last' },
      minCurves: 5,
      completeShare: 1,
      decisionPoint: 0.5,
    });
    assert.equal(swift.scheduler.type === 'hyperband' && swift.scheduler.eta, 4);
    const quantum = studyOf('quantum-swift:reads=10', setting(81, 3)).pruner;
    assert.ok(quantum.type === 'swift' && quantum.predictor.type === 'annealer' && quantum.predictor.reads === 10);
    assert.equal(studyOf('bohb:wave=3', setting(81, 3)).sampler.type, 'tpe');
  });

  it('say what is wrong', () => {
    const refused = (name: string, rule: RegExp) => assert.throws(() => studyOf(name, setting(81, 3)), rule);
    refused('swfit', /no algorithm is called "swfit"; did you mean swift\? There are full, .*, bohb\.$/);
    refused('xyzzy', /no algorithm is called "xyzzy"\. There are full, .*, bohb\.$/);
    refused('study', /there is no "study": the curves are those of no study file/);
    refused('asha:d=3', /"d=3" is no setting; asha has eta, trials, r/);
    refused('swift:d', /"d" is no setting/);
    refused('swift:model=last', /model is called predictor now: write predictor=last/);
    refused('swift:d=1', /swift:d=1: pruner\.minCurves: must be a whole number of 2 or more/);
    refused('hyperband:eta=1.5', /scheduler\.eta: must be a whole number of 2 or more/);
    refused('hyperband:eta=x', /scheduler\.eta/);
  });

  it('stand for a study itself, and repeat what can be repeated', () => {
    const own = studyOf('median', setting(81, 3));
    assert.equal(studyOf('study', { ...setting(81, 3), study: own }), own);
    const again = endless(own, 1000);
    assert.ok(again?.scheduler.type === 'hyperband' && again.scheduler.iterations === 'untilLimit');
    assert.equal(endless(studyOf('successive-halving', setting(81, 3)), 1000), null);
    const full = endless(studyOf('random', setting(81, 3)), 1000)?.scheduler;
    assert.ok(full?.type === 'full' && full.trials * 81 > 1000);
  });
});
