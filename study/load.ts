/** Reads a study file: YAML, JSON, or a JavaScript or TypeScript module with a default export. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseDocument } from 'yaml';
import { parseStudy, type ParseResult } from './parse.js';
import type { Problem } from './problem.js';

const modules = new Set(['.js', '.mjs', '.cjs', '.ts', '.mts']);

/** Every problem of the file at once; nothing is thrown for a file that is wrong. */
export async function loadStudy(file: string): Promise<ParseResult> {
  const absolute = path.resolve(file);
  const content = await readContent(absolute);
  if (!content.ok) return content;
  const parsed = parseStudy(content.value, { baseDir: path.dirname(absolute) });
  if (content.problems.length === 0) return parsed;
  return { ok: false, problems: [...content.problems, ...(parsed.ok ? [] : parsed.problems)] };
}

type Content = { ok: true; value: unknown; problems: Problem[] } | { ok: false; problems: Problem[] };

/** What the file says; problems that leave it readable, such as a key given twice, come beside its value. */
async function readContent(file: string): Promise<Content> {
  const problem = (rule: string): Problem => ({ path: '', value: undefined, rule });
  const refuse = (rule: string) => ({ ok: false as const, problems: [problem(rule)] });
  const extension = path.extname(file).toLowerCase();
  try {
    if (modules.has(extension)) {
      const imported = await importModule(file, extension);
      if (!('default' in imported)) return refuse('a study module exports the study as its default');
      const value = imported['default'];
      // A TypeScript file outside an ES module package arrives as a CommonJS module inside its own default.
      const wrapped = value !== null && typeof value === 'object' && 'default' in value;
      return { ok: true, value: wrapped ? value.default : value, problems: [] };
    }
    const text = readFileSync(file, 'utf8');
    const document = parseDocument(text);
    const language = extension === '.json' ? 'JSON' : 'YAML';
    const problems = document.errors.map(({ message }) => problem(`cannot be read as ${language}: ${message.trim()}`));
    if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return { ok: false, problems };
    return { ok: true, value: document.toJS() as unknown, problems };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return refuse(code === 'ENOENT' ? 'there is no such file' : `cannot be loaded: ${(error as Error).message}`);
  }
}

async function importModule(file: string, extension: string): Promise<Record<string, unknown>> {
  if (!extension.endsWith('ts')) return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const { tsImport } = await import('tsx/esm/api');
  return (await tsImport(pathToFileURL(file).href, import.meta.url)) as Record<string, unknown>;
}

/** One block per problem: path, value seen, rule, nearest right key. */
export function formatProblems(problems: readonly Problem[], source: string): string {
  const lines = problems.map(({ path: at, value, rule, suggestion }) => {
    const seen = value === undefined ? '' : ` (is ${shorten(textOf(value))})`;
    const meant = suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
    return `  ${at === '' ? 'the file' : at}${seen}: ${rule}${meant}`;
  });
  const what = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`${source}: ${what}, nothing was started`, ...lines].join('\n');
}

function textOf(value: unknown): string {
  // JSON would call NaN and Infinity null.
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value);
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
