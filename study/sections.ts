/** What of a study file that may be wrong can still be judged: its sections that are right by themselves. */
import type { z } from 'zod';
import type { Parameter, Study } from '../core/study.js';
import { keyMeant } from './problem.js';
import { explicitParameter, studySchema } from './schema.js';
import { isMapping } from './short-forms.js';

/** A section that is wrong by itself is absent; a parameter that is wrong by itself is null. */
export type Sections = { readonly [K in Exclude<keyof Study, 'space'>]?: Study[K] } & {
  readonly space?: Readonly<Record<string, Parameter | null>>;
};

/** The sections of an explicit study, with `error` what the schema says about it. */
export function soundSections(value: Readonly<Record<string, unknown>>, error: z.ZodError): Sections {
  const meant = asMeant(value, error);
  const sound: Record<string, unknown> = {};
  for (const [key, section] of Object.entries<z.ZodType>(studySchema.shape)) {
    const parsed = key === 'space' ? soundSpace(meant['space']) : section.safeParse(meant[key]).data;
    if (parsed !== undefined) sound[key] = parsed;
  }
  return sound;
}

function soundSpace(space: unknown): Sections['space'] {
  if (space === undefined) return {};
  if (!isMapping(space)) return undefined;
  return Object.fromEntries(
    Object.entries(space).map(([name, one]) => [name, explicitParameter.safeParse(one).data ?? null])
  );
}

/**
 * The study with every misspelt key under its nearest right name, and without those that are near to none: else
 * `etta: 2` would be read as an eta of 3, and refused once more for what nobody wrote.
 */
function asMeant(value: Readonly<Record<string, unknown>>, error: z.ZodError): Readonly<Record<string, unknown>> {
  let meant = value;
  for (const issue of error.issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const at = issue.path.map(String);
    for (const key of issue.keys) {
      meant = edited(meant, at, (mapping) => {
        const { [key]: given, ...rest } = mapping;
        const right = keyMeant(at, mapping, key);
        return right === null || right in rest ? rest : { ...rest, [right]: given };
      });
    }
  }
  return meant;
}

type Mapping = Readonly<Record<string, unknown>>;

/** The mapping, with the one at `path` inside it edited. */
function edited(mapping: Mapping, [key, ...rest]: readonly string[], edit: (found: Mapping) => Mapping): Mapping {
  if (key === undefined) return edit(mapping);
  const inside = mapping[key];
  return isMapping(inside) ? { ...mapping, [key]: edited(inside, rest, edit) } : mapping;
}
