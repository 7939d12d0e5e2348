/** One self-contained HTML file of a study: nothing is fetched when it is opened, and no script but its own runs. */
import { createHash } from 'node:crypto';
import type { StudyRecord, StudyResult, TrialRecord } from '../core/record.js';
import { bracketsTable, placesOf } from './brackets.js';
import { curvesNote, curvesSvg } from './curves.js';
import { count, embed, escape, plural, short, shown, toYaml } from './markup.js';
import { predictionsFigure, roundsTable } from './predictions.js';
import { script } from './script.js';
import { style } from './style.js';
import { epochsOf, fates, noteOf, paramNames, paramOf } from './trials.js';

const endings: Record<StudyResult['ended'], string> = {
  finished: 'Finished: the plan ran to its end',
  epochLimit: 'Ended at its limit of epochs',
  target: 'Ended early: the target was reached',
  deadline: 'Ended at its deadline',
  stopped: 'Stopped before the end of its plan',
};

/** The report of a finished study, or of the closed rounds of one that still runs. */
export function reportHtml(record: StudyRecord): string {
  const sections: [id: string, title: string, about: string, body: string][] = [
    ['curves', 'Learning curves', curvesNote(record), curves(record)],
    ['brackets', 'Brackets', 'One dot a trial, ranked best first.', placesLegend(record) + bracketsTable(record)],
    ['predictions', 'Predictions against truth', '', predictionsFigure(record)],
    ['rounds', 'Rounds and decision points', '', roundsTable(record)],
    ['trials', 'Trials', 'Longest trained first, then best; a column head sorts.', trialsTable(record)],
  ];
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  const links = [['best', 'Best configuration'], ...sections].map(([id, title]) => `<a href="#${id}">${title}</a>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escape(record.study)}: Everband</title>
<style>${style}</style>
</head>
<body>
<header><p class="brand">Everband</p><nav aria-label="Sections">${links.join('')}</nav></header>
<main>
${headline(record)}
<section id="best"><h2>Best configuration</h2>${bestConfig(record)}</section>
${sections.map(([id, title, about, body]) => `<section id="${id}"><h2>${title}</h2>${about ? `<p class="quiet">${about}</p>` : ''}${body}</section>`).join('\n')}
</main>
<footer>${footer(record)}</footer>
<div id="tip" role="status" aria-live="polite" hidden></div>
<script type="application/json" id="data">${embed(dataOf(record))}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** What the script shows of a trial and sorts by; exact, in trial order. */
function dataOf(record: StudyRecord): unknown {
  return {
    metric: record.objective.metric,
    params: paramNames(record),
    trials: record.trials.map((trial) => ({
      id: trial.id,
      fate: trial.fate,
      epochs: epochsOf(trial),
      value: trial.values.at(-1) ?? null,
      config: trial.config,
      note: noteOf(trial),
    })),
  };
}

function headline(record: StudyRecord): string {
  const { best, epochs, plannedEpochs, ended } = record.result;
  const { metric, mode } = record.objective;
  const spent = plannedEpochs > 0 ? Math.min(epochs / plannedEpochs, 1) : 1;
  const left = Math.max(plannedEpochs - epochs, 0);
  const share = plannedEpochs > 0 ? (100 * left) / plannedEpochs : 0;
  const saved = ended === 'finished' ? 'saved' : 'of the plan not trained';
  const chips = fates
    .filter((fate) => record.result.fates[fate] > 0)
    .map((fate) => `<span class="chip">${mark(fate)}${count(record.result.fates[fate])} ${fate}</span>`);
  return `<section class="headline">
<h1>${escape(record.study)}</h1>
<p class="ending ended-${ended}">${endings[ended]}</p>
<dl class="facts">
<div class="main"><dt>best ${escape(metric)}</dt><dd>${best ? short(best.value) : 'none'}<small>${best ? `${escape(best.trial)} at ${plural(best.budget, 'epoch')}${best.reachedMaxBudget ? '' : `, short of ${count(record.scheduler.maxBudget)}`}` : 'no trial reached a rung'}; ${mode === 'minimise' ? 'lower' : 'higher'} is better</small></dd></div>
<div><dt>epochs trained</dt><dd>${count(epochs)} <span>of ${count(plannedEpochs)}</span><small>planned without a predictor</small></dd></div>
<div><dt>${saved}</dt><dd>${share.toFixed(1)} %<small>${plural(left, 'epoch')}</small></dd></div>
<div><dt>trials</dt><dd>${count(record.result.trials)}<small>${plural(record.brackets.length, 'bracket')}</small></dd></div>
</dl>
<div class="meter" role="img" aria-label="${count(epochs)} of ${plural(plannedEpochs, 'planned epoch')} trained"><i style="width:${(100 * spent).toFixed(2)}%"></i></div>
<p class="chips">${chips.join('')}</p>
</section>`;
}

function mark(place: string): string {
  return `<i class="d-${place}"></i>`;
}

function bestConfig(record: StudyRecord): string {
  const { best } = record.result;
  if (!best) return '<p class="quiet">No trial reached a rung, so there is no best configuration.</p>';
  const seed = record.trials.find((trial) => trial.id === best.trial)?.seed;
  const forms: [string, string, string][] = [
    ['json', 'JSON', JSON.stringify(best.config, null, 2) + '\n'],
    ['yaml', 'YAML', toYaml(best.config)],
  ];
  const choices = forms.map(
    ([id, name], i) =>
      `<label><input type="radio" name="form" value="${id}"${i === 0 ? ' checked' : ''}>${name}</label>`
  );
  const texts = forms.map(
    ([id, name, text], i) =>
      `<pre id="best-${id}" tabindex="0" aria-label="Best configuration as ${name}"${i === 0 ? '' : ' hidden'}>${escape(text)}</pre>`
  );
  return `<div class="code"><div class="bar"><span class="quiet">${escape(best.trial)}${seed === undefined ? '' : `, seed ${seed}`}</span><fieldset class="switch"><legend class="hidden">Format</legend>${choices.join('')}</fieldset><button type="button" id="copy">Copy</button></div>${texts.join('')}</div>`;
}

function curves(record: StudyRecord): string {
  if (record.trials.every((trial) => trial.values.length === 0)) return '<p class="quiet">No epoch was finished.</p>';
  const toggles = fates
    .filter((fate) => record.result.fates[fate] > 0)
    .map(
      (fate) =>
        `<label class="toggle"><input type="checkbox" checked data-fate="${fate}">${mark(fate)}${fate} <small>${count(record.result.fates[fate])}</small></label>`
    );
  return `<div class="toggles" role="group" aria-label="Show curves by fate">${toggles.join('')}</div><div class="scroll plot">${curvesSvg(record)}</div>`;
}

function placesLegend(record: StudyRecord): string {
  return `<p class="chips">${placesOf(record)
    .map((place) => `<span class="chip">${mark(place)}${place}</span>`)
    .join('')}</p>`;
}

function trialsTable(record: StudyRecord): string {
  if (record.trials.length === 0) return '<p class="quiet">No trial was proposed.</p>';
  const names = paramNames(record);
  const noted = record.trials.some((trial) => noteOf(trial) !== '');
  const numeric = names.map((name) =>
    record.trials.every((trial) => ['number', 'undefined'].includes(typeof paramOf(trial, name)))
  );
  const heads: [key: string, name: string, number: boolean][] = [
    ['id', 'trial', false],
    ['fate', 'fate', false],
    ['epochs', 'epochs', true],
    ['value', record.objective.metric, true],
    ...names.map((name, i): [string, string, boolean] => [`param ${i}`, name, numeric[i] === true]),
    ...(noted ? [['note', 'note', false] as [string, string, boolean]] : []),
  ];
  const sign = record.objective.mode === 'minimise' ? 1 : -1;
  const better = (a: TrialRecord, b: TrialRecord) => sign * ((a.values.at(-1) ?? 0) - (b.values.at(-1) ?? 0)) || 0;
  const order = record.trials
    .map((trial, index) => ({ trial, index }))
    .sort((a, b) => b.trial.values.length - a.trial.values.length || better(a.trial, b.trial) || a.index - b.index);
  const best = record.result.best?.trial;
  const rows = order.map(({ trial, index }) => {
    const value = trial.values.at(-1);
    const params = names.map((name, i) => {
      const text = escape(shown(paramOf(trial, name)));
      return `<td${numeric[i] ? ' class="n"' : ''}${text.length > 36 ? ` title="${text}"` : ''}>${text}</td>`;
    });
    const note = noted ? `<td class="wrap">${escape(noteOf(trial))}</td>` : '';
    return `<tr data-r="${index}"${trial.id === best ? ' class="best"' : ''}><th scope="row">${escape(trial.id)}</th><td>${mark(trial.fate)}${trial.fate}</td><td class="n">${epochsOf(trial)}</td><td class="n">${value === undefined ? '' : short(value)}</td>${params.join('')}${note}</tr>`;
  });
  const headCells = heads.map(
    ([key, name, number]) =>
      `<th scope="col"${number ? ' class="n"' : ''} data-key="${key}"><button type="button">${escape(name)}</button></th>`
  );
  return `<p class="filter"><label>Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" placeholder="id, fate or value"></label> <output id="matches">${plural(order.length, 'trial')}</output></p><div class="scroll tall" tabindex="0" role="region" aria-label="Trials"><table id="table"><thead><tr>${headCells.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

const schedulerNames = { full: 'full training', successiveHalving: 'successive halving', asha: 'ASHA' } as const;

function footer(record: StudyRecord): string {
  const { scheduler, predictor, result } = record;
  const facts = [
    `seed ${record.seed}`,
    scheduler.type === 'hyperband'
      ? `Hyperband, R = ${scheduler.maxBudget}, eta = ${scheduler.eta}`
      : `${schedulerNames[scheduler.type]} to ${scheduler.maxBudget}`,
    predictor.type === 'none'
      ? 'no predictor'
      : predictor.type === 'median'
        ? `median rule, at least ${predictor.minTrials} trials`
        : `${predictor.type} predictor ${predictor.model.type}, at least ${predictor.minCurves} curves`,
    ...(result.duplicatesAvoided > 0 ? [`${plural(result.duplicatesAvoided, 'duplicate')} avoided`] : []),
    ...(result.duplicatesKept > 0 ? [`${plural(result.duplicatesKept, 'duplicate')} kept`] : []),
  ];
  return facts.map((fact) => `<span>${escape(fact)}</span>`).join('');
}
