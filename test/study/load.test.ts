import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { formatProblems, loadStudy } from '../../study/load.js';

const study = {
  name: 'loaded',
  space: { lr: { float: [1e-4, 0.1], log: true } },
  scheduler: { type: 'hyperband', maxBudget: 9 },
  trainer: { module: './train.js' },
};
const yaml = `name: loaded
space:
  lr: { float: [1e-4, 1e-1], log: true }
scheduler: { type: hyperband, maxBudget: 9 }
trainer: { module: ./train.js }
`;

describe('loading a study', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'everband-load-'));
    writeFileSync(path.join(folder, 'train.js'), '');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };

  const forms: [string, string][] = [
    ['a.yaml', yaml],
    ['a.yml', `# a comment\n${yaml}`],
    ['a.json', JSON.stringify(study)],
    ['a.mjs', `export default ${JSON.stringify(study)};`],
    ['a.mts', `const study: object = ${JSON.stringify(study)};\nexport default study;`],
    [
      'a.ts',
      `import { name } from './name.js';\nexport default { ...${JSON.stringify(study)}, name: name as string };`,
    ],
  ];
  for (const [name, text] of forms) {
    it(`reads ${name}`, async () => {
      write('name.ts', "export const name = 'loaded';");
      const parsed = await loadStudy(write(name, text));
      assert.ok(parsed.ok, JSON.stringify(parsed));
      assert.equal(parsed.study.name, 'loaded');
      assert.deepEqual(parsed.study.trainer, { type: 'module', module: path.join(folder, 'train.js') });
      assert.deepEqual(parsed.study.space['lr'], { type: 'float', low: 1e-4, high: 0.1, log: true });
    });
  }

  const broken: [string, string | null, RegExp][] = [
    ['gone.yaml', null, /no such file/],
    ['syntax.yaml', 'name: a\nspace:\n  lr: {float: [1, 2\nseed: 1\n', /line \d/],
    ['twice.yaml', 'name: a\nname: b\n', /unique.*line 2|line 2/s],
    ['syntax.json', '{"name": ', /JSON.*line 1/s],
    ['empty.yaml', '', /mapping/],
    ['throws.mjs', "throw new Error('no luck');", /no luck/],
    ['bare.mjs', 'export const study = {};', /default/],
    ['syntax.ts', 'export default {', /cannot be loaded/],
  ];
  for (const [name, text, rule] of broken) {
    it(`says what is wrong with ${name}`, async () => {
      const parsed = await loadStudy(text === null ? path.join(folder, name) : write(name, text));
      assert.ok(!parsed.ok);
      assert.match(formatProblems(parsed.problems, name), rule);
    });
  }

  it('prints one block per problem', () => {
    const text = formatProblems(
      [
        { path: 'schedular', value: {}, rule: 'there is no such key', suggestion: 'scheduler' },
        { path: '', value: undefined, rule: 'there is no such file' },
        { path: 'tryFirst', value: 'x'.repeat(500), rule: 'is long' },
        { path: 'trainer', value: () => 1, rule: 'is a function' },
      ],
      'study.yaml'
    );
    const lines = text.split('\n');
    assert.match(lines[0] ?? '', /^study\.yaml: 4 problems/);
    assert.match(lines[1] ?? '', /schedular \(is \{\}\): there is no such key; did you mean scheduler\?/);
    assert.match(lines[2] ?? '', /the file: there is no such file/);
    assert.ok((lines[3] ?? '').length < 150);
    assert.match(lines[4] ?? '', /\(is function\)/);
  });
});
