/** A study file's content, checked and filled in to a {@link Study}. */
import type { Study } from '../core/study.js';
import { problemsOf, type Problem } from './problem.js';
import { crossRules } from './rules.js';
import { studySchema } from './schema.js';
import { soundSections } from './sections.js';
import { rewrite, type ParseContext } from './short-forms.js';

export type ParseResult =
  { readonly ok: true; readonly study: Study } | { readonly ok: false; readonly problems: readonly Problem[] };

/** Checks a study file's content and fills in its defaults; all problems at once. */
export function parseStudy(input: unknown, context: ParseContext): ParseResult {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    return {
      ok: false,
      problems: [{ path: '', value: input, rule: 'a study is a mapping with name, space, scheduler and trainer' }],
    };
  }
  const { value, problems } = rewrite(input as Record<string, unknown>, context);
  const parsed = studySchema.safeParse(value);
  if (!parsed.success) {
    const crossed = crossRules(soundSections(value, parsed.error), value);
    return { ok: false, problems: [...problems, ...problemsOf(parsed.error, value), ...crossed] };
  }
  const study = parsed.data as Study;
  const wrong = [...problems, ...crossRules(study, value)];
  return wrong.length > 0 ? { ok: false, problems: wrong } : { ok: true, study };
}
