/** The bracket table, before a single epoch is spent. */
import { planStudy } from '../core/plan.js';
import type { Study } from '../core/study.js';
import { duration, table } from './terminal.js';

export function planTable(study: Study, epochSeconds?: number): string {
  const plan = planStudy(study.scheduler, study.predictor);
  const rows = plan.brackets.flatMap((bracket) =>
    bracket.rounds.map((round) => [
      round.index === 0 ? bracket.id : '',
      round.index,
      round.trials,
      round.from,
      round.to,
      round.decisionPoint ?? (study.predictor.type === 'fast' && round.to - round.from > 1 ? 'each' : '-'),
      round.trials * (round.to - round.from),
    ])
  );
  const lines = [
    table(
      [
        'bracket',
        study.scheduler.type === 'asha' ? 'rung' : 'round',
        'trials',
        'from',
        'to',
        'decision',
        study.budgetUnit,
      ],
      rows
    ),
    '',
    `${plan.trials} trials, ${plan.epochs} ${study.budgetUnit} with resume from checkpoints, ${plan.epochsFromScratch} from scratch`,
  ];
  if (study.scheduler.type === 'asha') {
    const many = study.scheduler.trials === 'untilLimit' ? `, shown for ${plan.trials} trials` : '';
    lines.push(
      `asha: an estimate, no bound: it promotes before a rung is complete, and of few trials trains up to twice as much${many}`
    );
  } else if (study.predictor.type === 'swift') {
    const together = study.scheduler.type === 'hyperband' && study.scheduler.order === 'together';
    lines.push(
      together
        ? 'swift: brackets together share no curves and save less than one after the other'
        : `swift: an upper bound, trials predicted to lose stop at their decision point (d=${study.predictor.minCurves})`
    );
  }
  if (study.predictor.type === 'median' || study.predictor.type === 'fast')
    lines.push(`${study.predictor.type}: an upper bound, trials stop early`);
  if (study.scheduler.type === 'hyperband' && study.scheduler.iterations === 'untilLimit')
    lines.push('one iteration shown; it repeats until a limit');
  if (epochSeconds !== undefined) {
    const all = plan.epochs * epochSeconds;
    const atOnce = `at best ${duration(all / study.parallelism)} with ${study.parallelism} at once`;
    const time = study.predictor.type === 'fast' ? 'one trial after the other' : atOnce;
    lines.push(`at ${epochSeconds} s each: ${duration(all)} of training, ${time}`);
  }
  return lines.join('\n');
}
