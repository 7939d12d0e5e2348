/**
 * The schedule of configurations behind a trial that went on from others' checkpoints (Jaderberg et al. 2017:
 * what population-based training finds is a schedule rather than one configuration).
 */
import type { ScheduleStep, TrialRecord } from './record.js';
import type { Config } from './settings.js';

/**
 * The configurations that were trained with, in order, until `trial` itself had trained `budget` epochs. Its epochs are
 * those that the checkpoint at the end holds: more or fewer than `budget` where a trial went on from one of another age.
 */
export function scheduleOf(
  trials: ReadonlyMap<string, Pick<TrialRecord, 'config' | 'lineage'>>,
  trial: string,
  budget: number
): ScheduleStep[] {
  const stretches: { readonly epochs: number; readonly config: Config }[] = [];
  let id = trial;
  let to = budget;
  for (;;) {
    const record = trials.get(id);
    if (!record) throw new RangeError(`trial ${id} of the lineage of ${trial} is not in the record`);
    const exploit = record.lineage?.findLast(({ epoch }) => epoch < to);
    stretches.unshift({ epochs: to - (exploit?.epoch ?? 0), config: exploit?.config ?? record.config });
    if (!exploit) break;
    [id, to] = [exploit.donor, exploit.donorEpoch ?? exploit.epoch];
  }
  let from = 0;
  return stretches.map(({ epochs, config }) => {
    const step = { from, to: from + epochs, config };
    from = step.to;
    return step;
  });
}
