/** Rules over the search space: ranges, conditions, and the configurations to try first. */
import { checkConfig, circleRule, circlesOf, inOrder, stepCount } from '../core/space.js';
import type { Config, Json, Parameter } from '../core/study.js';
import { nearest } from './nearest.js';
import { problem, type Problem } from './problem.js';
import type { Sections } from './sections.js';

type Space = NonNullable<Sections['space']>;

/** What is wrong with parameters that are right by themselves, and with conditions on them. */
export function spaceProblems(space: Space): Problem[] {
  const circles = circlesOf(space);
  return Object.entries(space).flatMap(([name, parameter]) => {
    if (parameter === null) return [];
    const circle = circles.find(([first]) => first === name);
    const round = circle ? [problem(['space', name, 'when', 'parameter'], circle[1], circleRule(circle))] : [];
    return [...rangeProblems(name, parameter), ...conditionProblems(space, name, parameter), ...round];
  });
}

function rangeProblems(name: string, parameter: Parameter): Problem[] {
  if (parameter.type !== 'float' && parameter.type !== 'int') return [];
  const { low, high, log, step } = parameter;
  const at = ['space', name];
  const problems: Problem[] = [];
  if (low > high) problems.push(problem(at, [low, high], 'low must not exceed high'));
  if (log && low <= 0) problems.push(problem([...at, 'low'], low, 'must be above 0 with log: true'));
  if (low < high && step !== undefined && stepCount(low, high, step) < 2) {
    problems.push(problem([...at, 'step'], step, `must not exceed high - low (${high - low}), or only low is drawn`));
  }
  return problems;
}

function conditionProblems(space: Space, name: string, { when }: Parameter): Problem[] {
  if (!when) return [];
  const names = Object.keys(space);
  const at = ['space', name, 'when'];
  if (!names.includes(when.parameter)) {
    const others = names.filter((other) => other !== name);
    const known = others.length === 1 ? 'the other parameter is' : 'the other parameters are';
    const rule = `there is no such parameter${others.length === 0 ? '' : `; ${known} ${others.join(', ')}`}`;
    return [problem([...at, 'parameter'], when.parameter, rule, nearest(when.parameter, others))];
  }
  const on = space[when.parameter] ?? null;
  // Values are compared with a range only where there is one.
  if (on === null || rangeProblems(when.parameter, on).length > 0) return [];
  return when.in.flatMap((value, i) => {
    const [never] = checkConfig({ [when.parameter]: { ...on, when: undefined } }, { [when.parameter]: value });
    if (never === undefined) return [];
    return [problem([...at, 'in', String(i)], value, `never holds: ${never}`, valueMeant(on, value))];
  });
}

/** The value of a parameter that is nearest to one it cannot take. */
function valueMeant(parameter: Parameter, value: Json): string | null {
  const text = (one: Json) => (typeof one === 'string' ? one : JSON.stringify(one));
  if (parameter.type === 'fixed') return text(parameter.value);
  if (parameter.type === 'choice') return nearest(text(value), parameter.values.map(text));
  const wanted = Number(text(value));
  if (Number.isNaN(wanted)) return null;
  const { low, high, step } = parameter;
  if (step === undefined) return String(Math.min(Math.max(wanted, low), high));
  const k = Math.min(Math.max(Math.round((wanted - low) / step), 0), stepCount(low, high, step) - 1);
  return String(Number((low + k * step).toPrecision(12)));
}

/** What is wrong with the configurations to try first; `wrong` parameters, and those that hang on them, are left out. */
export function tryFirstProblems(
  space: Space,
  tryFirst: readonly Config[],
  wrong: (name: string) => boolean
): Problem[] {
  const right = Object.entries(space).filter(
    (entry): entry is [string, Parameter] => entry[1] !== null && !wrong(entry[0])
  );
  const sound: Record<string, Parameter> = {};
  // Every circle of conditions has a wrong parameter.
  for (const [name, parameter] of inOrder(Object.fromEntries(right))) {
    if (!parameter.when || Object.hasOwn(sound, parameter.when.parameter)) sound[name] = parameter;
  }
  const judged = (name: string) => Object.hasOwn(sound, name) || !Object.hasOwn(space, name);
  return tryFirst.flatMap((config, i) => {
    const known = Object.fromEntries(Object.entries(config).filter(([name]) => judged(name)));
    return checkConfig(sound, known).map((rule) => problem(['tryFirst', String(i)], config, rule));
  });
}
