/** What a study came to at a glance, above everything; how it was set up, below. */
import { prunerOf } from '../core/pruners/index.js';
import type { StudyRecord, StudyResult } from '../core/record.js';
import { samplerOf } from '../core/samplers/index.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { planOf } from '../core/study.js';
import { count, escape, mark, plural, short, shown } from './markup.js';
import { lowerIsBetter } from './scale.js';
import { fates } from './trials.js';

const endings: Record<StudyResult['ended'], string> = {
  finished: 'Finished: the plan ran to its end',
  epochLimit: 'Ended at its limit of epochs',
  target: 'Ended early: the target was reached',
  deadline: 'Ended at its deadline',
  stopped: 'Stopped before the end of its plan',
  open: 'Not at its end: this is what has closed so far',
};

export function headline(record: StudyRecord): string {
  const { best, ended } = record.result;
  const { metric } = record.objective;
  const chips = fates
    .filter((fate) => record.result.fates[fate] > 0)
    .map((fate) => `<span class="chip">${mark(fate)}${count(record.result.fates[fate])} ${fate}</span>`);
  const { facts, meter } = planOf(record).table().bounds ? plannedEpochs(record) : unboundedEpochs(record);
  return `<section class="headline">
<h1>${escape(record.study)}</h1>
<p class="ending ended-${ended}">${endings[ended]}</p>
<dl class="facts">
<div class="main"><dt>best ${escape(metric)}</dt><dd>${best ? short(best.value) : 'none'}<small>${best ? `${escape(best.trial)} at ${plural(best.budget, 'epoch')}${best.reachedMaxBudget ? '' : `, short of ${count(record.scheduler.maxBudget)}`}` : 'no trial reached a rung'}; ${lowerIsBetter(record.objective) ? 'lower' : 'higher'} is better</small></dd></div>
${facts}
<div><dt>trials</dt><dd>${count(record.result.trials)}<small>${plural(record.brackets.length, 'bracket')}</small></dd></div>
</dl>
${meter}
<p class="chips">${chips.join('')}</p>
</section>`;
}

interface EpochFacts {
  readonly facts: string;
  readonly meter: string;
}

function plannedEpochs(record: StudyRecord): EpochFacts {
  const { epochs, plannedEpochs: planned, ended } = record.result;
  const spent = planned > 0 ? Math.min(epochs / planned, 1) : 1;
  const left = Math.max(planned - epochs, 0);
  const share = planned > 0 ? (100 * left) / planned : 0;
  const without = prunerOf(record.pruner).compares === undefined;
  // Where nobody is asked about, only trials that diverge or fail train less than planned: nothing was saved.
  const saved = ended !== 'finished' ? 'of the plan not trained' : without ? 'not trained' : 'saved';
  return {
    facts:
      `<div><dt>epochs trained</dt><dd>${count(epochs)} <span>of ${count(planned)}</span><small>planned${without ? '' : ', nobody stopped early'}</small></dd></div>\n` +
      `<div><dt>${saved}</dt><dd>${share.toFixed(1)} %<small>${plural(left, 'epoch')}${ended === 'finished' && without && left > 0 ? ' of trials that diverged or failed' : ''}</small></dd></div>`,
    meter: `<div class="meter" role="img" aria-label="${count(epochs)} of ${plural(planned, 'planned epoch')} trained"><i style="width:${(100 * spent).toFixed(2)}%"></i></div>`,
  };
}

/** Where trials are promoted before a rung is complete, no plan bounds the epochs. */
function unboundedEpochs({ result, scheduler }: StudyRecord): EpochFacts {
  const all = result.trials * scheduler.maxBudget;
  const share = all > 0 ? (100 * (all - result.epochs)) / all : 0;
  return {
    facts:
      `<div><dt>epochs trained</dt><dd>${count(result.epochs)}<small>${count(all)} if all trained to ${count(scheduler.maxBudget)}: ${share.toFixed(1)} % less</small></dd></div>\n` +
      `<div><dt>trained to ${count(scheduler.maxBudget)}</dt><dd>${count(result.fates.completed)} <span>of ${count(result.trials)}</span><small>of those that started</small></dd></div>`,
    meter: '',
  };
}

export function footer(record: StudyRecord): string {
  const { result } = record;
  const facts = [
    `seed ${record.seed}`,
    schedulerFact(record),
    prunerFact(record),
    ...(result.duplicatesAvoided > 0 ? [`${plural(result.duplicatesAvoided, 'duplicate')} avoided`] : []),
    ...(result.duplicatesKept > 0 ? [`${plural(result.duplicatesKept, 'duplicate')} kept`] : []),
  ];
  return facts.map((fact) => `<span>${escape(fact)}</span>`).join('');
}

/** The scheduler with all it was told, R first. */
function schedulerFact({ scheduler, sampler }: StudyRecord): string {
  const { title, options } = schedulerOf(scheduler);
  const name = samplerOf(sampler).nameWith?.[scheduler.type] ?? title;
  const told = Object.entries(scheduler)
    .filter(([key]) => key !== 'maxBudget' && Object.hasOwn(options, key))
    .map(([key, value]) => `${key} = ${shown(value)}`);
  return [name, `R = ${scheduler.maxBudget}`, ...told, `${sampler.type} sampler`].join(', ');
}

function prunerFact({ pruner, scheduler }: StudyRecord): string {
  return prunerOf(pruner).describe(pruner, schedulerOf(scheduler).title);
}
