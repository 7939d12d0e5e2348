import assert from 'node:assert/strict';
import { Failures, failureSignature } from '../../core/failures.js';

describe('failures of a trial', () => {
  it('are counted together where no rule says otherwise, with a back-off that doubles', () => {
    const failures = new Failures({ attempts: 3, backoffSeconds: 50 });
    const after = (['crash', 'oom', 'error'] as const).map((kind) => failures.add(kind));
    assert.deepEqual(
      after.map(({ count, parks, seconds }) => [count, parks, seconds]),
      [
        [1, false, 50],
        [2, false, 100],
        [3, true, 120],
      ]
    );
  });

  it('begin anew after an epoch', () => {
    const failures = new Failures({ attempts: 2, backoffSeconds: 0 });
    assert.ok(failures.none);
    failures.add('crash');
    assert.ok(!failures.none);
    failures.forget();
    assert.ok(failures.none);
    assert.equal(failures.add('crash').parks, false);
    assert.equal(failures.add('crash').parks, true);
  });

  it('of a kind with attempts of its own are counted by themselves', () => {
    const retry = { oom: { attempts: 2, queue: 'big', backoffSeconds: 7 }, timeout: { backoffSeconds: 1 } };
    const failures = new Failures({ attempts: 3, backoffSeconds: 5, retry });
    assert.deepEqual(failures.add('oom'), { count: 1, parks: false, seconds: 7, queue: 'big' });
    assert.deepEqual(failures.add('timeout'), { count: 1, parks: false, seconds: 1, queue: undefined });
    // Without attempts of its own, a kind counts with all others.
    assert.deepEqual(failures.add('crash'), { count: 2, parks: false, seconds: 10, queue: undefined });
    assert.deepEqual(failures.add('oom'), { count: 2, parks: true, seconds: 14, queue: 'big' });
    assert.equal(failures.add('timeout').parks, true);
  });

  it('are alike in their kind and last line, whatever numbers and paths it has', () => {
    const one = failureSignature(
      'crash',
      'ended after epoch 3\nTraceback\nKeyError: /data/a/17.csv at 0x7f00 (-1.5e-3)\n\n'
    );
    const other = failureSignature('crash', 'something else\nKeyError: ./b/other.npz at 0x81 (22)');
    assert.equal(one, other);
    assert.equal(one, 'crash: KeyError: <path> at <n> (<n>)');
    assert.notEqual(one, failureSignature('error', 'KeyError: /data/a/17.csv at 0x7f00 (-1.5e-3)'));
    assert.notEqual(one, failureSignature('crash', 'ValueError: /data/a/17.csv at 0x7f00 (-1.5e-3)'));
  });
});
