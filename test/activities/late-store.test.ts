import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createLateActivities } from '../../activities/late.js';
import { readLate, readLates } from '../../activities/late-store.js';
import { createRecoverActivities } from '../../activities/recover.js';
import { canonicalJson, digestOf } from '../../core/record.js';
import { sealedFor } from '../trusted.js';

const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-late-'));
after(() => rmSync(stateDir, { recursive: true, force: true }));

describe('the file of a late retry', () => {
  const folder = path.join(stateDir, 'studies', 'one', 'late');
  const late = { format: 'everband-late/2', study: 'one', trial: 'b2-t000', retries: [], digests: [] };
  const put = (name: string, text: string) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, `${name}.json`), `${digestOf(text)}\n${text}`);
  };
  const wrong = (name: string) => {
    const read = readLate(stateDir, 'one', name);
    return read && 'says' in read ? `${read.says} Fix: ${read.fix}` : JSON.stringify(read);
  };

  it('is read as it was written', () => {
    put('b2-t000', canonicalJson(late));
    assert.deepEqual(readLate(stateDir, 'one', 'b2-t000'), late);
    assert.equal(readLate(stateDir, 'one', 'b2-t001'), null);
  });

  it('that was cut or changed is named, whoever made its first line fit included', () => {
    const file = path.join(folder, 'b2-t000.json');
    put('b2-t000', canonicalJson(late));
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -3));
    assert.match(
      wrong('b2-t000'),
      /late retry of b2-t000 was cut or changed\. Fix: put back a copy of .*b2-t000\.json/
    );
    put('b2-t000', JSON.stringify(late));
    assert.match(wrong('b2-t000'), /was cut or changed/);
    for (const text of ['', 'null', '[', '7']) {
      put('b2-t000', text);
      assert.match(wrong('b2-t000'), /was cut or changed|has no format/, text);
    }
    assert.equal(readLates(stateDir, 'one').wrong.length, 1);
  });

  it('of another format is refused with both', () => {
    put('b2-t000', canonicalJson({ ...late, format: 'everband-late/1' }));
    assert.match(
      wrong('b2-t000'),
      /is of the format "everband-late\/1", and this version reads everband-late\/2\. Fix: go on/
    );
    put('b2-t000', canonicalJson({ study: 'one', trial: 'b2-t000' }));
    assert.match(wrong('b2-t000'), /has no format/);
  });

  it('of another trial or study is named', () => {
    put('b2-t008', canonicalJson(late));
    assert.match(wrong('b2-t008'), /of b2-t008 of study one is that of b2-t000 of study one/);
    put('b2-t000', canonicalJson({ ...late, study: 'two' }));
    assert.match(wrong('b2-t000'), /is that of b2-t000 of study two/);
  });
});

describe('names that become those of folders', () => {
  const outside = ['../../x', '/etc/x', '', 'a\0b', '..', 'a/b'];
  const nobody = { type: 'activity', taskQueue: 'none', activity: 'train', settings: null } as const;
  const sealed = (study: string) => sealedFor(stateDir, study, { id: 'one', incarnation: 0 }, nobody).seal;
  const refused = (name: string) => ({
    message: new RegExp(`^${JSON.stringify(name).replace(/[.\\/]/g, '\\$&')} cannot be a name`),
  });

  for (const name of outside) {
    it(`are never ${JSON.stringify(name)}, for a late retry`, async () => {
      const { prepareLate } = createLateActivities(stateDir);
      const ask = { reset: false, queue: null };
      await assert.rejects(prepareLate(name, sealed(name), { trial: 'b2-t000', ...ask }, false), refused(name));
      await assert.rejects(prepareLate('one', sealed('one'), { trial: name, ...ask }, false), refused(name));
    });

    it(`are never ${JSON.stringify(name)}, for a recovery`, async () => {
      const place = { address: '127.0.0.1:1', namespace: 'default' };
      const { recoverStudy } = createRecoverActivities(stateDir, { ...place, runsAt: () => Promise.resolve(null) });
      await assert.rejects(recoverStudy(name, sealed(name)), refused(name));
    });
  }
});
