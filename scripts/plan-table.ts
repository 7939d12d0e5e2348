/** The bracket table, before a single epoch is spent. */
import { prunerOf } from '../core/pruners/index.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { planOf, type Study } from '../core/study.js';
import { duration } from '../report/duration.js';
import { table } from './terminal.js';

export function planTable(study: Study, epochSeconds?: number): string {
  const plan = planOf(study).table();
  const scheduler = schedulerOf(study.scheduler);
  const pruner = prunerOf(study.pruner);
  const rows = plan.brackets.flatMap((bracket) =>
    bracket.rounds.map((round) => [
      round.index === 0 ? bracket.id : '',
      round.index,
      round.trials,
      round.from,
      round.to,
      round.decisionPoint ?? (pruner.points(study.pruner, round.from, round.to).length > 0 ? 'each' : '-'),
      round.trials * (round.to - round.from),
    ])
  );
  const lines = [
    table(['bracket', plan.step, 'trials', 'from', 'to', 'decision', study.budgetUnit], rows),
    '',
    `${plan.trials} trials, ${plan.epochs} ${study.budgetUnit} with resume from checkpoints, ${plan.epochsFromScratch} from scratch`,
  ];
  const together = scheduler.together?.(study.scheduler) ?? false;
  const notes = [
    scheduler.planNote?.(study.scheduler, plan.trials),
    pruner.planNote?.(study.pruner, plan.brackets.length < 2 || !together),
  ];
  lines.push(...notes.filter((note) => typeof note === 'string'));
  if (epochSeconds !== undefined) {
    const all = plan.epochs * epochSeconds;
    const atOnce = `at best ${duration(all / study.parallelism)} with ${study.parallelism} at once`;
    const time = pruner.onePerRound ? 'one trial after the other' : atOnce;
    lines.push(`at ${epochSeconds} s each: ${duration(all)} of training, ${time}`);
  }
  return lines.join('\n');
}
