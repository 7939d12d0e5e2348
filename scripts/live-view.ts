/** Progress of a study until it ends. Only looks: closing it never touches the study. */
import pc from 'picocolors';
import type { Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import type { BracketView } from '../core/engine/scheduler.js';
import { prunerOf } from '../core/pruners/index.js';
import type { StudyResult } from '../core/record.js';
import { planOf, type Study } from '../core/study.js';
import { duration } from '../report/duration.js';
import { workflowIds, type ParkedTrial, type StudyStatus, type TrainHeartbeat } from '../workflows/messages.js';
import { statusOf, trainingNow, troubleAt, type TrainingNow } from './api.js';
import { resultOf } from './outcome.js';
import { valueOf } from '../cluster/codec.js';
import { CliError } from '../cluster/errors.js';
import { fit, harmlessInColour, short } from './terminal.js';
import { silent, troublesOf, troubleText, type Trouble } from '../cluster/troubles.js';

/** What the running rounds do right now. */
interface Live {
  readonly training: readonly { readonly trial: string; readonly epoch: number }[];
  readonly parked: readonly ParkedTrial[];
  readonly queued: number;
  /** Epochs of rounds not closed yet, about. */
  readonly epochs: number;
  /** What keeps a round from going on; null when nothing does. */
  readonly trouble: string | null;
}

/** A line of the view; `key` says it once. */
interface Said {
  readonly key: string;
  readonly text: string;
}

const nothing: Live = { training: [], parked: [], queued: 0, epochs: 0, trouble: null };

/** Watches until the study ends and gives its result. In a terminal it redraws, elsewhere it prints a line per event. */
export async function watchStudy(
  client: Client,
  name: string,
  write: (text: string) => void,
  redraw: boolean
): Promise<StudyResult> {
  const pace = new Pace();
  const told = new Set<string>();
  let drawn = 0;
  let seen: StudyStatus | null = null;
  const outcome = resultOf(client, name).then(
    (result) => ({ result }),
    (error: unknown) => ({ error })
  );
  for (;;) {
    const settled = await Promise.race([outcome, wait(1000)]);
    if (settled && 'error' in settled) throw settled.error;
    let troubles: readonly Said[] = [];
    let live = nothing;
    try {
      const found = await troublesOf(client, name);
      troubles = found.map((one) => ({ key: `trouble ${one.kind} ${one.workflowId}`, text: troubleText(one) }));
      if (!silent(found).has(workflowIds.study(name))) {
        seen = await statusOf(client, name);
        live = await liveOf(client, seen, found);
        pace.note(seen.epochs + live.epochs);
      }
    } catch (error) {
      const text = error instanceof CliError ? error.message : 'the server does not answer; still looking';
      if (troubles.length === 0) troubles = [{ key: 'trouble', text }];
    }
    const trouble = seen?.trouble ?? live.trouble;
    if (troubles.length === 0 && trouble) troubles = [{ key: 'trouble', text: trouble }];
    if (settled) troubles = [];
    if (redraw) {
      const lines = [
        ...(seen ? view(seen, live, pace) : [`${name}: waiting`]),
        // The cure on a line of its own, for lines are cut.
        ...troubles.flatMap(({ text }) => text.split(/\n|(?<=\.) (?=Fix: )/)).map((line) => pc.yellow(line)),
      ].map((line) => fit(oneLine(line), process.stdout.columns || 120));
      write((drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : '') + lines.join('\n') + '\n');
      drawn = lines.length;
    } else {
      for (const line of [...events(name, seen, live), ...troubles]) {
        if (told.has(line.key)) continue;
        told.add(line.key);
        // A cause is shown whole, in the lines that it has.
        write(`${troubles.includes(line) ? harmlessInColour(line.text) : oneLine(line.text)}\n`);
      }
      // Said once per outage, not once for ever.
      for (const key of told)
        if (key.startsWith('trouble') && !troubles.some((one) => one.key === key)) told.delete(key);
    }
    if (settled) return settled.result;
  }
}

function oneLine(text: string): string {
  return harmlessInColour(text).replaceAll('\n', ' ');
}

function wait(ms: number): Promise<null> {
  return new Promise((resolve) => setTimeout(() => resolve(null), ms));
}

/** Epochs per second since the view opened: the study may be hours old or have stood still. */
class Pace {
  private first: { at: number; epochs: number } | null = null;
  private last = { at: 0, epochs: 0 };

  note(epochs: number): void {
    // An estimate may step back when a round closes.
    this.last = { at: Date.now(), epochs: Math.max(epochs, this.last.epochs) };
    this.first ??= this.last;
  }

  /** Null until there is something to go by. */
  secondsFor(epochs: number): number | null {
    const done = this.last.epochs - (this.first?.epochs ?? 0);
    if (done <= 0) return null;
    return (epochs * (this.last.at - (this.first?.at ?? 0))) / 1000 / done;
  }
}

/** Everything worth a line so far. */
function events(name: string, status: StudyStatus | null, live: Live): Said[] {
  const lines: Said[] = [];
  for (const bracket of status?.brackets ?? []) {
    for (const round of bracket.rounds) {
      if (round.state !== 'done') continue;
      const lost = [
        round.stopped && `${round.stopped} stopped`,
        round.diverged && `${round.diverged} diverged`,
        round.failed && `${round.failed} failed`,
      ].filter(Boolean);
      const text = [
        `${bracket.id} ${bracket.step} ${round.index}: ${round.entered} trials to ${round.to}, best ${short(round.best?.value ?? null) || 'none'}`,
        `${round.promoted} promoted`,
        ...lost,
      ].join(', ');
      lines.push({
        key: `${bracket.id} ${round.index}`,
        text: `${text} (${status && spentText(status, status.epochs)})`,
      });
    }
  }
  // Rungs that trials come to one by one never close: every new best is news.
  if (status?.best && status.brackets.some(({ step }) => step === 'rung')) {
    const { trial, value, budget } = status.best;
    lines.push({
      key: `best ${value} ${budget}`,
      text: `best so far ${short(value)} of ${trial} at ${budget} (${spentText(status, status.epochs)})`,
    });
  }
  if (status && ['paused', 'stopping'].includes(status.phase)) {
    lines.push({ key: `${status.phase} at ${status.epochs}`, text: `${name} ${status.phase}` });
  }
  for (const one of live.parked) lines.push({ key: `${one.trial} ${one.expires}`, text: parkedLine(name, one) });
  return lines;
}

function parkedLine(name: string, { trial, attempts, reason }: ParkedTrial): string {
  return `parked: ${trial} after ${attempts} attempts: ${reason.split('\n')[0]} (everband retry ${name} ${trial})`;
}

function view(status: StudyStatus, live: Live, pace: Pace): string[] {
  const { study } = status;
  if (!study) return ['preparing'];
  const spent = status.epochs + live.epochs;
  const planned = closedPlan(status);
  const share = shareOf(status, live, planned);
  const bar = share === null ? '' : `${'█'.repeat(Math.round(share * 30)).padEnd(30, '░')} `;
  const stops = prunerOf(study.pruner).compares !== undefined && ['running', 'paused'].includes(status.phase);
  const saved = stops && planned > status.epochs ? `, ${planned - status.epochs} saved` : '';
  const left =
    status.phase === 'running' && !isOpen(study)
      ? pace.secondsFor(Math.max(0, status.plannedEpochs - planned - live.epochs))
      : null;
  const phase = status.phase === 'running' ? '' : ` ${pc.yellow(status.phase)}`;
  const lines = [
    `${pc.bold(study.name)}${phase}  ${bar}${spentText(status, spent)}${saved}${left === null ? '' : `, at most about ${duration(left)} left`}`,
    status.best
      ? `best ${study.objective.metric} ${pc.green(short(status.best.value))} ${status.best.trial} at ${status.best.budget} ${study.budgetUnit}`
      : 'no round closed yet',
  ];
  for (const bracket of status.brackets.slice(-6)) lines.push(`  ${bracket.id.padEnd(6)} ${rounds(bracket)}`);
  const training = live.training.map(({ trial, epoch }) => `${trial}@${epoch}`).join(' ') || '-';
  lines.push(`training: ${training}${live.queued > 0 ? ` (${live.queued} wait)` : ''}`);
  for (const one of live.parked.slice(0, 3)) lines.push(pc.yellow(parkedLine(study.name, one)));
  return lines;
}

/** Whether no plan says how much it will train. */
function isOpen(study: Study): boolean {
  return !planOf(study).table().bounds;
}

/** `120/357 epochs`; where trials come to rungs one by one, `120 epochs, 23/49 trials`. */
function spentText(status: StudyStatus, spent: number): string {
  const { study } = status;
  if (!study) return `${spent} epochs`;
  const bound = planOf(study).epochBound(study.limits);
  const trials = trialsStarted(status);
  return `${spent}${bound === null ? '' : `/${bound}`} ${study.budgetUnit}${trials ? `, ${trials.started}/${trials.most} trials` : ''}`;
}

/** Trials that have been at the lowest rung, of those there may be; null where the plan bounds the epochs, and without an end. */
function trialsStarted({ study, brackets }: StudyStatus): { started: number; most: number } | null {
  if (!study) return null;
  const { bounds, endless, trials } = planOf(study).table();
  if (bounds || endless) return null;
  return { started: brackets[0]?.rounds[0]?.entered ?? 0, most: trials };
}

/** How much of the study is done, 0 to 1; null where nothing says. */
function shareOf(status: StudyStatus, live: Live, planned: number): number | null {
  const { study } = status;
  if (!study) return null;
  const bound = planOf(study).epochBound(study.limits);
  const trials = trialsStarted(status);
  // What was saved counts as done where there is a plan.
  const epochs = isOpen(study) ? status.epochs : planned + live.epochs;
  const shares = [bound === null ? null : epochs / Math.max(1, bound), trials && trials.started / trials.most];
  const known = shares.filter((share) => share !== null);
  return known.length === 0 ? null : Math.min(1, Math.max(...known));
}

function rounds(bracket: BracketView): string {
  return bracket.rounds
    .map((round) => {
      const text = `${round.entered || (round.planned ?? 0)}→${round.to}`;
      return round.state === 'done' ? pc.green(text) : round.state === 'running' ? pc.yellow(text) : pc.dim(text);
    })
    .join('  ');
}

/** What the closed rounds would have cost without a pruner. */
function closedPlan(status: StudyStatus): number {
  const rounds = status.brackets.flatMap(({ step, rounds: own }) => own.map((round) => ({ step, ...round })));
  return rounds.reduce((sum, { step, state, entered, from, to, epochs }) => {
    // A rung that trials come to one by one never closes.
    if (step === 'rung') return sum + epochs;
    return sum + (state === 'done' ? entered * (to - from) : 0);
  }, 0);
}

/** Epoch by epoch, out of the heartbeats of the running rounds: it costs no history. */
async function liveOf(client: Client, status: StudyStatus, troubles: readonly Trouble[]): Promise<Live> {
  const places = await trainingNow(client, status, troubles);
  const training: { trial: string; epoch: number }[] = [];
  let epochs = 0;
  for (const place of places) {
    if (!place.round) {
      training.push(...(await beats(client, place)));
      continue;
    }
    const middle = decisionPoint(status, place);
    const { from, to, entered: planned } = place.round;
    const { done } = place.progress;
    // Trials train to the decision point, then on: two legs each.
    epochs += Math.min(done, planned) * (middle - from) + Math.max(0, done - planned) * (to - middle);
    if (place.progress.running.length === 0) continue;
    for (const beat of await beats(client, place)) {
      training.push(beat);
      epochs += Math.max(0, beat.epoch - (done >= planned ? middle : from));
    }
  }
  return {
    training,
    parked: places.flatMap(({ progress }) => progress.parked),
    queued: places.reduce((sum, { progress }) => sum + progress.queued, 0),
    epochs,
    trouble: troubleAt(places),
  };
}

/** What the pending activities of a place last said. */
async function beats(client: Client, place: TrainingNow): Promise<{ trial: string; epoch: number }[]> {
  const { raw } = await client.workflow.getHandle(place.workflowId).describe();
  const told = (raw.pendingActivities ?? []).map(({ heartbeatDetails }) => heartbeatDetails?.payloads?.[0] ?? null);
  const beaten = await Promise.all(told.map((payload) => payload && heartbeat(client, place.workflowId, payload)));
  return beaten.flatMap((beat) => (beat ? [{ trial: beat.trial, epoch: beat.epoch }] : []));
}

/** Where the round decides; its end when it does not. */
function decisionPoint({ study }: StudyStatus, place: TrainingNow): number {
  const own = place.bracket.replace(/^i\d+-/, '');
  const bracket = study && planOf(study).first.find(({ id }) => id === own);
  const index = place.round?.index ?? 0;
  return bracket?.rounds[index]?.decisionPoint ?? place.round?.to ?? 0;
}

/** Null for details that are not ours to read: another trainer's, or encrypted with keys that are not here. */
async function heartbeat(client: Client, workflowId: string, payload: Payload): Promise<TrainHeartbeat | null> {
  try {
    const beat = (await valueOf(client, workflowId, payload)) as Partial<TrainHeartbeat> | null;
    return typeof beat?.trial === 'string' && typeof beat.epoch === 'number' ? (beat as TrainHeartbeat) : null;
  } catch {
    return null;
  }
}
