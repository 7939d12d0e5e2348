/** Study files for the command. */
import { CliError } from '../cluster/errors.js';
import type { Study } from '../core/study.js';
import { formatProblems, loadStudy } from '../study/load.js';
import { parseStudy } from '../study/parse.js';

/** Reads and checks a study file, or a study given as an object. @throws CliError with every problem at once */
export async function checkStudy(study: string | object): Promise<Study> {
  const parsed = typeof study === 'string' ? await loadStudy(study) : parseStudy(study, { baseDir: process.cwd() });
  if (parsed.ok) return parsed.study;
  throw new CliError(formatProblems(parsed.problems, typeof study === 'string' ? study : 'study'), 2);
}
