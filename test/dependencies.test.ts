import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './harness.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
}
type Wanted = Readonly<Record<string, string>>;
const manifest = JSON.parse(text('package.json')) as {
  dependencies: Wanted;
  devDependencies: Wanted;
  overrides: Wanted;
};
const lock = JSON.parse(text('package-lock.json')) as {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, Locked & { dependencies?: Wanted; devDependencies?: Wanted }>>;
};
const locked = Object.entries(lock.packages).filter(([where]) => where !== '');
const nameOf = (where: string) => where.slice(where.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Licences that ask for no more than to be named. */
const permissive = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'Unlicense',
]);
/** Packages under another licence, or whose licence the lock does not tell, with why that will do. */
const exceptions: Readonly<Record<string, { readonly license: string | undefined; readonly why: string }>> = {
  argparse: { license: 'PSF-2.0', why: "Python's licence, permissive; development only" },
  'caniuse-lite': {
    license: 'CC-BY-4.0',
    why: 'a table that webpack reads when it bundles; nothing of it is passed on',
  },
  unionfs: {
    license: undefined,
    why: 'its manifest names none; its LICENSE is the Unlicense; used when the SDK bundles',
  },
};
/** Direct dependencies that may move within a range; everything else is one version. */
const ranges = new Set(['@eslint/js', '@types/mocha', '@types/node', 'typescript']);

describe('dependencies', () => {
  it('are locked by their contents, whatever registry they come from', () => {
    assert.equal(lock.lockfileVersion, 3);
    assert.ok(locked.length > 300);
    const wrong = locked.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));
    assert.deepEqual(
      wrong.map(([where]) => where),
      []
    );
    assert.deepEqual(
      locked.filter(([, { resolved }]) => resolved !== undefined).map(([where]) => where),
      []
    );
    assert.doesNotMatch(text('package-lock.json'), /https?:\/\/[^"]*\.tgz/);
  });

  it('have licences that let everyone use and pass them on', () => {
    const wrong = locked.flatMap(([where, { license }]) => {
      const name = nameOf(where);
      const known = exceptions[name];
      if (known)
        return known.license === license ? [] : [`${name}: ${license ?? 'none'}, known as ${known.license ?? 'none'}`];
      const all = (license ?? 'none').replace(/[()]/g, '').split(/ (?:AND|OR) /);
      return all.every((one) => permissive.has(one)) ? [] : [`${name}: ${license ?? 'none'}`];
    });
    assert.deepEqual(wrong, []);
    const names = new Set(locked.map(([where]) => nameOf(where)));
    assert.deepEqual(
      Object.keys(exceptions).filter((name) => !names.has(name)),
      [],
      'exceptions that nobody needs'
    );
    for (const [where, { dev }] of locked)
      assert.ok(nameOf(where) !== 'argparse' || dev, 'argparse is for development only');
    assert.match(
      text('node_modules/unionfs/LICENSE'),
      /^This is free and unencumbered software released into the public domain/
    );
  });

  it('are pinned, and the lock has what package.json asks for', () => {
    const { dependencies, devDependencies, overrides } = manifest;
    for (const [name, wanted] of Object.entries({ ...dependencies, ...devDependencies, ...overrides })) {
      const exact = /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(wanted);
      const pinned = name in dependencies || !ranges.has(name) ? exact : exact || /^[~^]\d+\.\d+\.\d+$/.test(wanted);
      assert.ok(pinned, `${name} is asked for as ${wanted}`);
      if (exact) assert.equal(lock.packages[`node_modules/${name}`]?.version, wanted, name);
    }
    assert.deepEqual(lock.packages['']?.dependencies, dependencies);
    assert.deepEqual(lock.packages['']?.devDependencies, devDependencies);
    assert.deepEqual(
      Object.keys(dependencies).filter((name) => name in devDependencies),
      []
    );
  });

  it("have Python's packages pinned, those of every extra among them", () => {
    const files = ['python', 'bench'].flatMap((folder) =>
      readdirSync(path.join(root, folder))
        .filter((name) => /^requirements.*\.txt$/.test(name))
        .map((name) => `${folder}/${name}`)
    );
    assert.ok(files.length >= 3, files.join(', '));
    const pinned = new Set<string>();
    for (const file of files) {
      for (const line of text(file)
        .split('\n')
        .filter((one) => one.trim() !== '' && !one.startsWith('#'))) {
        const [, other] = /^-r (\S+)$/.exec(line) ?? [];
        if (other !== undefined) assert.ok(existsSync(path.join(root, path.dirname(file), other)), line);
        else {
          const [, name] =
            /^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==\d[\w.]*(?:; python_version (?:<|>=) "3\.\d+")?$/.exec(line) ?? [];
          assert.ok(name, `${file}: ${line}`);
          pinned.add(name);
        }
      }
    }
    const [extras = ''] = text('python/pyproject.toml').split('[project.optional-dependencies]')[1]?.split('\n[') ?? [];
    const wanted = [...extras.matchAll(/"([A-Za-z0-9._-]+)[<>=]/g)].map(([, name]) => name as string);
    assert.ok(wanted.includes('temporalio') && wanted.includes('cryptography'), extras);
    assert.deepEqual(
      [...new Set(wanted)].filter((name) => !pinned.has(name)),
      []
    );
  });

  it('are named in NOTICE, where their code is passed on', () => {
    const notice = text('NOTICE');
    const map = readFileSync(bundle, 'utf8').split('sourceMappingURL=').at(-1)?.split('base64,')[1] ?? '';
    const { sources } = JSON.parse(Buffer.from(map, 'base64').toString()) as { sources: string[] };
    const names = new Set(
      sources.flatMap((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? [])
    );
    if (sources.some((source) => source.includes('webpack/'))) names.add('webpack');
    assert.ok(names.has('@temporalio/workflow') && names.size > 3, [...names].join(', '));
    for (const name of names) {
      assert.match(notice, new RegExp(`^  (?:.*, )?${name}\\b.*\\((MIT|Apache-2\\.0)\\)$`, 'm'), name);
      const folder = path.join(root, 'node_modules', name);
      const license = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file)) ?? '';
      const [holder] =
        /^\s*Copyright \(c\).*\d{4}.*$|^Copyright JS Foundation.*$/m.exec(
          readFileSync(path.join(folder, license), 'utf8')
        ) ?? [];
      if (holder !== undefined) assert.ok(notice.includes(holder.trim()), `${name}: ${holder}`);
    }
    for (const [file, holder] of [
      ['core/predictors/nu-svr.ts', 'Chih-Chung Chang and Chih-Jen Lin'],
      ['core/math.ts', 'Sun Microsystems, Inc.'],
      ['core/sobol-directions.ts', 'Frances Y. Kuo and Stephen Joe'],
    ] as const) {
      assert.ok(existsSync(path.join(root, file)) && notice.includes(file) && notice.includes(holder), file);
    }
    assert.match(text('package.json'), /"NOTICE"/);
  });
});
