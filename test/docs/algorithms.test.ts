import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Option } from '../../core/options.js';
import { objectives } from '../../core/objectives/index.js';
import { predictors } from '../../core/predictors/index.js';
import { pruners } from '../../core/pruners/index.js';
import { samplers } from '../../core/samplers/index.js';
import { schedulers } from '../../core/schedulers/index.js';

const folder = new URL('../../docs/', import.meta.url);
const read = (file: string) => readFileSync(fileURLToPath(new URL(file, folder)), 'utf8');

/** `successiveHalving` is in `successive-halving.ts`. */
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const kinds: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  schedulers,
  pruners,
  samplers,
  predictors,
  objectives,
};

describe('pages of the algorithms', () => {
  const pages = readdirSync(fileURLToPath(new URL('algorithms/', folder)))
    .filter((name) => name.endsWith('.md'))
    .map((name) => read(`algorithms/${name}`));

  for (const [kind, known] of Object.entries(kinds)) {
    for (const [name, definition] of Object.entries(known)) {
      const { options = {} } = definition as { readonly options?: Readonly<Record<string, Option>> };
      it(`tell of ${name}, on a page of its own, with every option of it`, () => {
        const source = `\`core/${kind}/${kebab(name)}.ts\``;
        const own = pages.filter((page) => page.includes(source));
        assert.equal(own.length, 1, `${own.length} pages name ${source}`);
        for (const key of Object.keys(options)) {
          assert.ok(own[0]?.includes(`\`${key}\``), `the page of ${name} says nothing of ${key}`);
        }
      });
    }
  }

  it('compare every predictor on one', () => {
    const page = read('predictors.md');
    for (const name of Object.keys(predictors)) {
      assert.ok(page.includes(`- **[${name}](algorithms/${name}.md)**`), name);
    }
  });
});
