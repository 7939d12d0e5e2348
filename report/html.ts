/** One self-contained HTML file of a study: nothing is fetched when it is opened, and no script but its own runs. */
import { createHash } from 'node:crypto';
import type { StudyRecord, TrialRecord } from '../core/record.js';
import { bracketsTable, placesOf } from './brackets.js';
import { curvesNote, curvesSvg } from './curves.js';
import { footer, headline } from './headline.js';
import { count, embed, escape, mark, plural, short, shown, toYaml } from './markup.js';
import { decisionsFigure, decisionsTitle } from './predictions.js';
import { roundsTable, roundWord } from './rounds.js';
import { script } from './script.js';
import { style } from './style.js';
import { epochsOf, fates, noteOf, paramNames, paramOf } from './trials.js';

type Section = [id: string, title: string, about: string, body: string];

/** The report of a finished study, or of the closed rounds of one that still runs. */
export function reportHtml(record: StudyRecord): string {
  const decisions = decisionsTitle(record);
  const sections: Section[] = [
    ['curves', 'Learning curves', curvesNote(record), curves(record)],
    ['brackets', 'Brackets', bracketsNote(record), placesLegend(record) + bracketsTable(record)],
    ...(decisions === null ? [] : [['predictions', decisions, '', decisionsFigure(record)] satisfies Section]),
    [
      'rounds',
      `${roundWord(record) === 'rung' ? 'Rungs' : 'Rounds'}${decisions === null ? '' : ' and decision points'}`,
      '',
      roundsTable(record),
    ],
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

function bracketsNote({ scheduler }: StudyRecord): string {
  const early = ' ASHA promotes while a rung still fills: some that were promoted rank lower in the end.';
  return `One dot a trial, ranked best first.${scheduler.type === 'asha' ? early : ''}`;
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
