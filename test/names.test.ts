import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { objectives } from '../core/objectives/index.js';
import { predictors } from '../core/predictors/index.js';
import { pruners } from '../core/pruners/index.js';
import { samplers } from '../core/samplers/index.js';
import { schedulers } from '../core/schedulers/index.js';
import { shortPruners, shortSchedulers } from '../core/short-names.js';

const registries = { schedulers, pruners, samplers, predictors, objectives };
const families: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.entries(registries).map(([family, registry]) => [family, Object.keys(registry)])),
  'short names': [...Object.keys(shortPruners), ...Object.keys(shortSchedulers)],
};
const names = new Set(Object.values(families).flat());

const root = fileURLToPath(new URL('../', import.meta.url));
const folders = [
  'core',
  'study',
  'workflows',
  'activities',
  'workers',
  'scripts',
  'simulate',
  'report',
  'cluster',
].concat(['trainers', 'examples', 'python/everband']);

/** `successiveHalving` is in `successive-halving.ts`. */
const fileOf = (name: string) => `${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.ts`;

/** `a === 'swift'`, `case 'swift':`, `['swift', ...].includes(a)`, `registry.swift`, and a table with a line for a name; not in the file of that name. */
function branches(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const isOwn = (name: string) => path.basename(source.fileName) === fileOf(name);
  const isName = (node: ts.Node | undefined): boolean =>
    node !== undefined && ts.isStringLiteralLike(node) && names.has(node.text) && !isOwn(node.text);
  const note = (node: ts.Node) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    found.push(`${line + 1}: ${node.getText(source).split('\n')[0]}`);
  };
  const compared = new Set([
    ts.SyntaxKind.EqualsEqualsEqualsToken,
    ts.SyntaxKind.ExclamationEqualsEqualsToken,
    ts.SyntaxKind.InKeyword,
  ]);
  const visit = (node: ts.Node): void => {
    if (ts.isBinaryExpression(node) && compared.has(node.operatorToken.kind)) {
      const compares = [node.left, node.right].some(isName);
      if (compares && ![node.left, node.right].some((side) => isOther(side, node.operatorToken.kind))) note(node);
    } else if (ts.isCaseClause(node)) {
      const { parent } = node.parent;
      if (isName(node.expression) && !isOther(parent.expression)) note(parent);
    } else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { expression, name } = node.expression;
      const asks = ['includes', 'has', 'hasOwn', 'indexOf', 'startsWith'].includes(name.text);
      const listed = ts.isArrayLiteralExpression(expression) ? [...expression.elements] : [];
      if (asks && [...listed, ...node.arguments].some(isName)) note(node);
    } else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      if (Object.hasOwn(registries, node.expression.text)) note(node);
    } else if (ts.isElementAccessExpression(node)) {
      if (isName(node.argumentExpression)) note(node);
    } else if (ts.isObjectLiteralExpression(node) && node.properties.length > 0 && !declares(node.parent)) {
      const keys = node.properties.map(({ name }) =>
        name && (ts.isIdentifier(name) || ts.isStringLiteralLike(name)) ? name.text : ''
      );
      if (Object.values(families).some((family) => keys.every((key) => family.includes(key)))) note(node);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** `trainer.type` and `parameter.type`, and a trainer that is asked what it has: their names are of no family here. */
function isOther(node: ts.Expression, operator?: ts.SyntaxKind): boolean {
  const own = operator === ts.SyntaxKind.InKeyword ? node : ts.isPropertyAccessExpression(node) && node.expression;
  if (!own || (own !== node && (node as ts.PropertyAccessExpression).name.text !== 'type')) return false;
  const last = ts.isPropertyAccessExpression(own) ? own.name : own;
  return ts.isIdentifier(last) && ['trainer', 'parameter'].includes(last.text);
}

/** What a sampler or a predictor declares that it is called together with others. */
const declares = (node: ts.Node) =>
  ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && node.name.text === 'nameWith';

function found(file: string, text: string): string[] {
  if (file.endsWith('.py')) {
    const compared = new RegExp(`([!=]=|\\bcase|\\bin) \\(?["'](${[...names].join('|')})["']`);
    return text.split('\n').filter((line) => compared.test(line));
  }
  return branches(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
}

describe('names of schedulers, pruners, samplers, predictors and objectives', () => {
  it('are seen in every form of a branch', () => {
    const forms = [
      `if (pruner.type === 'swift') f();`,
      `const quick = 'median' !== type;`,
      `switch (type) { case 'asha': f(); }`,
      `if (['random', 'grid'].includes(type)) f();`,
      `if (type.startsWith('quantum-swift')) f();`,
      `if ('annealer' in settings) f();`,
      `const { options } = pruners.fast;`,
      `const at = registry['tpe'];`,
      `const sign = { minimise: 1, maximise: -1 }[mode];`,
    ];
    for (const form of forms) assert.equal(found('a.ts', form).length, 1, form);
    // What else is on the line makes no difference.
    const besides = [
      `if (type === 'swift') f(trainer, parameter);`,
      `if (trainer.type === 'activity' && pruner.type === 'swift') f();`,
      `if (predictor.type === 'activity') f(trainer);`,
      `switch (predictor.type) { case 'activity': f(trainer.type); }`,
      `if (trainer === 'activity') f();`,
      `if (trainer.predictor === 'activity') f();`,
    ];
    for (const form of besides) assert.equal(found('a.ts', form).length, 1, form);
    assert.equal(found('a.py', 'if mode == "maximise":').length, 1);
    const others = [
      `if (study.trainer.type === 'activity') f();`,
      `switch (trainer.type) { case 'activity': f(); }`,
      `if ('activity' in trainer) f();`,
      `if (parameter.type !== 'random') f();`,
    ];
    for (const form of others) assert.deepEqual(found('a.ts', form), [], form);
    assert.deepEqual(found('a.ts', `const study = { pruner: 'swift', scheduler: { type: 'full' } };`), []);
  });

  it('are nothing that code branches on outside their own files and registries', () => {
    const files = folders
      .flatMap((folder) =>
        readdirSync(path.join(root, folder), { encoding: 'utf8', recursive: true }).map((file) => `${folder}/${file}`)
      )
      .filter((file) => /\.(ts|mjs|py)$/.test(file));
    assert.ok(files.length > 200, `${files.length} files`);
    const all = files
      // A registry lists the names.
      .filter((file) => !Object.keys(registries).some((family) => file === `core/${family}/index.ts`))
      .flatMap((file) => found(file, readFileSync(path.join(root, file), 'utf8')).map((one) => `${file}:${one}`));
    assert.deepEqual(all, []);
  });
});
