/** One self-contained HTML file of a study: nothing is fetched when it is opened. */
import type { StudyRecord, TrialRecord } from '../core/record.js';
import type { Fate } from '../core/trial.js';

const colours: Record<Fate, string> = {
  completed: '#1a9850',
  outranked: '#8c96a3',
  stopped: '#e08214',
  diverged: '#d73027',
  failed: '#7b3294',
  unfinished: '#4575b4',
};

export function reportHtml(record: StudyRecord): string {
  const { best, epochs, plannedEpochs, ended, fates } = record.result;
  const { metric } = record.objective;
  const saved = plannedEpochs - epochs;
  const present = (Object.keys(colours) as Fate[]).filter((fate) => fates[fate] > 0);
  const facts: [string, string][] = [
    [`best ${metric}`, best ? `${short(best.value)} <small>${escape(best.trial)} at ${best.budget}</small>` : 'none'],
    [
      'epochs',
      `${epochs} <small>of ${plannedEpochs} planned${saved > 0 ? `, ${((100 * saved) / plannedEpochs).toFixed(1)} % saved` : ''}</small>`,
    ],
    ['trials', `${record.trials.length} <small>${present.map((fate) => `${fates[fate]} ${fate}`).join(', ')}</small>`],
    ['ended', `${ended} <small>seed ${record.seed}, predictor ${record.predictor.type}</small>`],
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(record.study)}: Everband</title>
<style>${style}</style></head><body><main>
<h1>${escape(record.study)}</h1>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${escape(name)}</dt><dd>${value}</dd></div>`).join('')}</dl>
<section><h2>Best configuration</h2>${best ? `<pre id="best">${escape(JSON.stringify(best.config, null, 2))}</pre><button id="copy">Copy</button>` : '<p>No trial has a value.</p>'}</section>
<section><h2>Learning curves</h2><p class="legend">${present.map((fate) => `<label><input type="checkbox" checked data-fate="${fate}"><i style="background:${colours[fate]}"></i>${fate}</label>`).join(' ')}</p>${curves(record)}</section>
<section><h2>Brackets</h2><p>One dot a trial, best first: promoted or finished are filled.</p>${brackets(record)}</section>
<section><h2>Decision points</h2>${decisions(record)}</section>
<section><h2>Predictions against truth</h2>${predictions(record)}</section>
<section><h2>Trials</h2>${trialTable(record)}</section>
</main><script>${script}</script></body></html>
`;
}

const width = 960;
const height = 420;

/** Where a value lies in the plot; the worst tenth of values is cut off so that the rest can be told apart. */
function scaleOf(record: StudyRecord): { low: number; high: number } {
  const all = record.trials.flatMap((trial) => trial.values).sort((a, b) => a - b);
  if (all.length === 0) return { low: 0, high: 1 };
  const cut = Math.floor(all.length * 0.1);
  const minimise = record.objective.mode === 'minimise';
  const low = all[minimise ? 0 : cut] as number;
  const high = all[minimise ? all.length - 1 - cut : all.length - 1] as number;
  return high > low ? { low, high } : { low: low - 0.5, high: low + 0.5 };
}

function curves(record: StudyRecord): string {
  const { low, high } = scaleOf(record);
  const longest = Math.max(1, ...record.trials.map((trial) => trial.values.length));
  const x = (epoch: number) => (70 + ((width - 90) * epoch) / longest).toFixed(1);
  const y = (value: number) =>
    (height - 30 - ((height - 50) * (Math.min(Math.max(value, low), high) - low)) / (high - low)).toFixed(1);
  const order: readonly Fate[] = ['outranked', 'stopped', 'diverged', 'failed', 'unfinished', 'completed'];
  const drawn = [...record.trials].sort((a, b) => order.indexOf(a.fate) - order.indexOf(b.fate));
  const lines = drawn.map((trial) => {
    const points = trial.values.map((value, i) => `${x(i + 1)},${y(value)}`);
    if (points.length === 1) points.push(points[0] as string);
    const title = `${trial.id} ${trial.fate} ${JSON.stringify(trial.config)}`;
    const dot = trial.values.length === 1 ? ' stroke-linecap="round" stroke-width="4"' : '';
    return points.length === 0
      ? ''
      : `<polyline data-fate="${trial.fate}" stroke="${colours[trial.fate]}"${dot} points="${points.join(' ')}"><title>${escape(title)}</title></polyline>`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = low + share * (high - low);
    return `<line class="grid" x1="70" x2="${width - 20}" y1="${y(value)}" y2="${y(value)}"/><text x="64" y="${y(value)}" text-anchor="end" dy="4">${short(value)}</text>`;
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="learning curves">${ticks.join('')}<text x="${width / 2}" y="${height - 4}" text-anchor="middle">epoch (1 to ${longest})</text>${lines.join('')}</svg>`;
}

function brackets(record: StudyRecord): string {
  const trials = new Map(record.trials.map((trial) => [trial.id, trial]));
  const rows = record.brackets.map((bracket) => {
    const rounds = bracket.rounds.map((round) => {
      const promoted = new Set(round.promoted);
      const ranked = round.ranking.map((one) => one.trial);
      const rest = round.trials.filter((id) => !ranked.includes(id));
      const last = promoted.size === 0;
      const dots = [...ranked, ...rest].map((id) => {
        const fate = trials.get(id)?.fate ?? 'unfinished';
        const here =
          promoted.has(id) || (last && fate === 'completed') ? 'completed' : ranked.includes(id) ? 'outranked' : fate;
        const filled = here === 'completed';
        return `<i class="dot${filled ? ' filled' : ''}" style="--c:${colours[here]}" title="${escape(`${id}: ${here === 'completed' && !last ? 'promoted' : here}`)}"></i>`;
      });
      return `<td><small>${round.trials.length} trials to ${round.to}</small><div class="dots">${dots.join('')}</div></td>`;
    });
    return `<tr><th>${escape(bracket.id)}</th>${rounds.join('')}</tr>`;
  });
  return `<div class="scroll"><table class="brackets">${rows.join('')}</table></div>`;
}

function decisions(record: StudyRecord): string {
  const rows = record.brackets
    .flatMap((bracket) => bracket.rounds)
    .flatMap((round) => {
      const { decision } = round;
      if (!decision || (decision.predictions.length === 0 && !decision.error)) return [];
      const stopped = decision.predictions.filter((one) => !one.goesOn).length;
      return `<tr><td>${escape(round.bracket)} round ${round.index}</td><td>${decision.epoch} of ${round.to}</td><td>${decision.trainedOn}</td><td>${decision.threshold === null ? '' : short(decision.threshold)}</td><td>${decision.predictions.length}</td><td>${stopped}</td><td>${escape(decision.error ?? '')}</td></tr>`;
    });
  if (rows.length === 0) return '<p>No trial was asked about.</p>';
  return `<table><thead><tr><th>round</th><th>at epoch</th><th>curves learnt from</th><th>threshold</th><th>asked</th><th>stopped</th><th>note</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function predictions(record: StudyRecord): string {
  const trials = new Map<string, TrialRecord>(record.trials.map((trial) => [trial.id, trial]));
  const pairs = record.brackets
    .flatMap((bracket) => bracket.rounds)
    .flatMap((round) =>
      (round.decision?.predictions ?? []).flatMap(({ trial, predicted, goesOn }) => {
        const truth = trials.get(trial)?.values[round.to - 1];
        return predicted === null ? [] : [{ trial, predicted, truth: goesOn ? truth : undefined }];
      })
    );
  const known = pairs.filter((pair) => pair.truth !== undefined);
  if (known.length === 0)
    return `<p>${pairs.length === 0 ? 'No predictions.' : `${pairs.length} trials were stopped at their prediction; none went on, so no truth is known.`}</p>`;
  const all = known.flatMap((pair) => [pair.predicted, pair.truth as number]);
  const low = Math.min(...all);
  const range = Math.max(...all) - low || 1;
  const at = (value: number) => 40 + (340 * (value - low)) / range;
  const dots = known.map(
    (pair) =>
      `<circle cx="${at(pair.truth as number).toFixed(1)}" cy="${(420 - at(pair.predicted)).toFixed(1)}" r="4"><title>${escape(`${pair.trial}: predicted ${short(pair.predicted)}, was ${short(pair.truth as number)}`)}</title></circle>`
  );
  return `<svg class="square" viewBox="0 0 420 420" role="img" aria-label="predictions against truth"><line class="grid" x1="40" y1="380" x2="380" y2="40"/>${dots.join('')}<text x="210" y="412" text-anchor="middle">truth (${short(low)} to ${short(low + range)})</text><text x="14" y="210" transform="rotate(-90 14 210)" text-anchor="middle">predicted</text></svg>`;
}

function trialTable(record: StudyRecord): string {
  const names = [...new Set(record.trials.flatMap((trial) => Object.keys(trial.config)))];
  const head = ['trial', 'fate', 'epochs', record.objective.metric, ...names];
  const rows = record.trials.map((trial) => {
    const cells = [
      trial.id,
      trial.fate,
      trial.values.length,
      trial.values.at(-1),
      ...names.map((name) => trial.config[name]),
    ];
    const shown = cells.map((cell) =>
      typeof cell === 'number'
        ? short(cell)
        : cell === undefined
          ? ''
          : typeof cell === 'string'
            ? cell
            : JSON.stringify(cell)
    );
    return `<tr>${shown.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`;
  });
  return `<div class="scroll"><table id="trials"><thead><tr>${head.map((name) => `<th><button>${escape(name)}</button></th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const style = `:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;margin:0;background:Canvas;color:CanvasText}main{max-width:1000px;margin:0 auto;padding:2rem 1rem}
h1{margin:0 0 1rem}h2{font-size:1.1rem;margin:2.5rem 0 .5rem}small{opacity:.7;font-weight:normal}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:1rem;margin:0}.facts div{border:1px solid var(--line);border-radius:8px;padding:.7rem 1rem}
dt{opacity:.7}dd{margin:0;font-size:1.3rem;font-weight:600}dd small{display:block;font-size:.8rem}
pre{border:1px solid var(--line);border-radius:8px;padding:1rem;overflow:auto}svg{width:100%;height:auto}svg text{font-size:12px;fill:currentColor}
polyline{fill:none;stroke-width:1.4;opacity:.75}polyline:hover{stroke-width:4;opacity:1}.grid{stroke:var(--line)}circle{fill:#4575b4;opacity:.8}.square{max-width:420px}
.legend label{margin-right:1rem}.legend i{display:inline-block;width:.8rem;height:.8rem;border-radius:50%;margin:0 .3rem}
table{border-collapse:collapse}td,th{padding:.2rem .7rem .2rem 0;text-align:left;vertical-align:top;white-space:nowrap}tbody tr{border-top:1px solid var(--line)}
th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid}.scroll{overflow:auto;max-height:70vh}
.dots{display:flex;flex-wrap:wrap;gap:3px;max-width:190px}.dot{width:9px;height:9px;border-radius:50%;border:2px solid var(--c);box-sizing:border-box}.filled{background:var(--c)}
.brackets td{border-left:1px solid var(--line);padding-left:.7rem}`;

const script = `document.querySelectorAll('input[data-fate]').forEach(box=>box.addEventListener('change',()=>document.querySelectorAll('polyline[data-fate="'+box.dataset.fate+'"]').forEach(line=>line.style.display=box.checked?'':'none')));
document.getElementById('copy')?.addEventListener('click',async event=>{await navigator.clipboard.writeText(document.getElementById('best').textContent);event.target.textContent='Copied'});
document.querySelectorAll('#trials th button').forEach((button,column)=>{let up=false;button.addEventListener('click',()=>{up=!up;const body=document.querySelector('#trials tbody');const key=row=>row.cells[column].textContent;const order=(a,b)=>{const x=key(a),y=key(b);const n=Number(x)-Number(y);return (x!==''&&y!==''&&!Number.isNaN(n)?n:x<y?-1:x>y?1:0)*(up?1:-1)};[...body.rows].sort(order).forEach(row=>body.append(row))})});`;
