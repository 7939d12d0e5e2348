/** One self-contained HTML file of a study: nothing is fetched when it is opened, and no script but its own runs. */
import { createHash } from 'node:crypto';
import type { LateRecord } from '../core/late.js';
import type { StudyRecord } from '../core/record.js';
import { schedulerOf } from '../core/schedulers/index.js';
import { planOf } from '../core/study.js';
import { bracketsTable, placesOf } from './brackets.js';
import { curvesNote, curvesSvg } from './curves.js';
import { checkFormat } from './format.js';
import { footer, headline } from './headline.js';
import { lateNote, lateTable } from './late.js';
import { lineageTable, scheduleTable } from './lineage.js';
import { count, embed, escape, mark } from './markup.js';
import { decisionsFigure, decisionsTitle } from './predictions.js';
import { reportedByTrial, reportedNames, type ReadEpochs, type Reported } from './reported.js';
import { roundsTable, sectionOf } from './rounds.js';
import { script } from './script.js';
import { style } from './style.js';
import { epochsOf, fates, noteOf, paramNames } from './trials.js';
import { secondsAnEpoch, timeOf, trialsNote, trialsTable } from './trials-table.js';
import { toYaml } from './yaml.js';

const lineageNote =
  "Every time a trial went on from another one's checkpoint, and with which configuration; the table of trials has what they drew.";
const scheduleNote =
  '<h3>Schedule</h3><p class="quiet">What came to this result, followed through the trials whose checkpoints were taken over: the configuration above is that of the last epochs.</p>';

type Section = [id: string, title: string, about: string, body: string];

/**
 * The report of a finished study, or of the closed rounds of one that still runs.
 * @throws RangeError for a record of another format
 */
export function reportHtml(
  record: StudyRecord,
  read: ReadEpochs = () => [],
  lates: readonly LateRecord[] = []
): string {
  checkFormat(record);
  const reported = reportedByTrial(record.trials, read);
  const lineage = lineageTable(record);
  const decisions = decisionsTitle(record);
  const sections: Section[] = [
    ['curves', 'Learning curves', curvesNote(record), curves(record)],
    ['brackets', 'Brackets', bracketsNote(record), placesLegend(record) + bracketsTable(record)],
    ...(decisions === null ? [] : [['predictions', decisions, '', decisionsFigure(record)] satisfies Section]),
    ['rounds', `${sectionOf(record)}${decisions === null ? '' : ' and decision points'}`, '', roundsTable(record)],
    ...(lineage === null ? [] : [['lineage', 'Lineage', lineageNote, lineage] satisfies Section]),
    ...(lates.length > 0
      ? [['late', 'Late retries', lateNote(record, lates), lateTable(lates)] satisfies Section]
      : []),
    ['trials', 'Trials', trialsNote(reported), trialsTable(record, reported)],
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
<script type="application/json" id="data">${embed(dataOf(record, reported))}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** What the script shows of a trial and sorts by; exact, in trial order. */
function dataOf(record: StudyRecord, reported: ReadonlyMap<string, Reported>): unknown {
  return {
    metric: record.objective.metric,
    params: paramNames(record.trials),
    numbers: reportedNames(reported.values()),
    trials: record.trials.map((trial) => {
      const own = reported.get(trial.id);
      return {
        id: trial.id,
        fate: trial.fate,
        epochs: epochsOf(trial),
        value: trial.values.at(-1) ?? null,
        config: trial.config,
        note: noteOf(trial),
        ...(own ? reportedData(own) : {}),
      };
    }),
  };
}

function reportedData(reported: Reported): object {
  const { values, seconds, host } = reported;
  return { numbers: values, seconds, epochSeconds: secondsAnEpoch(reported), time: timeOf(seconds), host };
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
  return `<div class="code"><div class="bar"><span class="quiet">${escape(best.trial)}${seed === undefined ? '' : `, seed ${seed}`}</span><fieldset class="switch"><legend class="hidden">Format</legend>${choices.join('')}</fieldset><button type="button" id="copy">Copy</button></div>${texts.join('')}</div>${best.schedule ? scheduleNote + scheduleTable(best.schedule) : ''}`;
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

function bracketsNote(record: StudyRecord): string {
  const { step, title } = schedulerOf(record.scheduler);
  const early = ` ${title} promotes while a rung still fills: some that were promoted rank lower in the end.`;
  return `One dot a trial, ranked best first.${step === 'rung' && !planOf(record).keepsAll ? early : ''}`;
}

function placesLegend(record: StudyRecord): string {
  return `<p class="chips">${placesOf(record)
    .map((place) => `<span class="chip">${mark(place)}${place}</span>`)
    .join('')}</p>`;
}
