import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const runner = fileURLToPath(new URL('../../dist/trainers/module-runner.js', import.meta.url));

const request = {
  ...{ study: 's', trial: 't', config: { x: 2 }, seed: 1, metric: 'loss', from: 0, to: 2 },
  ...{ checkpoint: null, checkpointDir: os.tmpdir() },
};

describe('module trainers', function () {
  this.timeout(30_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-modules-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [what, manifest] of [
    ['without a package.json', null],
    ['of CommonJS', { type: 'commonjs' }],
    ['as npm makes it', {}],
    ['of ES modules', { type: 'module' }],
  ] as const) {
    it(`may be TypeScript in a folder ${what}`, () => {
      const place = path.join(folder, what.replaceAll(' ', '-'));
      mkdirSync(place);
      if (manifest) writeFileSync(path.join(place, 'package.json'), JSON.stringify(manifest));
      writeFileSync(path.join(place, 'half.ts'), 'export const half = (x: number): number => x / 2;\n');
      writeFileSync(
        path.join(place, 'train.ts'),
        [
          "import { half } from './half';",
          'interface Context { config: { x: number }; from: number; to: number; report(v: object): Promise<void> }',
          'export async function train({ config, from, to, report }: Context): Promise<void> {',
          '  for (let epoch = from + 1; epoch <= to; epoch++) await report({ loss: half(config.x) / epoch });',
          '}',
        ].join('\n')
      );
      const input = JSON.stringify(request) + '\n';
      const { stdout, stderr } = spawnSync(process.execPath, [runner, path.join(place, 'train.ts')], {
        input,
        encoding: 'utf8',
      });
      assert.deepEqual(
        stdout.trim().split('\n').slice(0, 2),
        ['{"epoch":1,"loss":1}', '{"epoch":2,"loss":0.5}'],
        stderr
      );
    });
  }
});
