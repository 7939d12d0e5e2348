/** Progress of a study until it ends. Only looks: closing it never touches the study. */
import pc from 'picocolors';
import type { Client } from '@temporalio/client';
import type { StudyResult } from '../core/record.js';
import { workflowIds, type StudyStatus, type TrainHeartbeat } from '../workflows/messages.js';
import { statusOf, trainingNow } from './api.js';
import { CliError } from './errors.js';
import { duration, short } from './terminal.js';

interface Training {
  readonly trial: string;
  readonly epoch: number;
}

/** Watches until the study ends and gives its result. In a terminal it redraws, elsewhere it prints a line per closed round. */
export async function watchStudy(
  client: Client,
  name: string,
  write: (text: string) => void,
  redraw: boolean
): Promise<StudyResult> {
  const since = Date.now();
  let drawn = 0;
  const told = new Set<string>();
  const ended = client.workflow.getHandle(workflowIds.study(name)).result() as Promise<StudyResult>;
  const outcome = ended.then(
    (result) => ({ result }),
    (error: unknown) => ({ error })
  );
  for (;;) {
    const settled = await Promise.race([
      outcome,
      new Promise<null>((resolve) => setTimeout(() => resolve(null), redraw ? 500 : 1000)),
    ]);
    const status = await statusOf(client, name).catch(() => null);
    if (status?.study) {
      if (redraw) {
        const lines = await view(client, status, (Date.now() - since) / 1000);
        write((drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : '') + lines.join('\n') + '\n');
        drawn = lines.length;
      } else for (const line of closedRounds(status, told)) write(`${line}\n`);
    }
    if (settled === null) continue;
    if ('error' in settled) throw new CliError(`study ${name} failed: ${rootMessage(settled.error)}`);
    return settled.result;
  }
}

function rootMessage(error: unknown): string {
  let at = error as Error & { cause?: Error };
  while (at.cause) at = at.cause as typeof at;
  return at.message;
}

/** One line per round closed since the last look. */
function closedRounds(status: StudyStatus, told: Set<string>): string[] {
  const lines: string[] = [];
  for (const bracket of status.brackets) {
    for (const round of bracket.rounds) {
      const key = `${bracket.id} round ${round.index}`;
      if (round.state !== 'done' || told.has(key)) continue;
      told.add(key);
      const lost = [
        round.stopped && `${round.stopped} stopped`,
        round.diverged && `${round.diverged} diverged`,
        round.failed && `${round.failed} failed`,
      ];
      lines.push(
        `${key}: ${round.entered} trials to ${round.to}, best ${short(round.best)}, ${round.promoted} promoted` +
          lost
            .filter(Boolean)
            .map((one) => `, ${one}`)
            .join('') +
          ` (${status.epochs}/${status.plannedEpochs})`
      );
    }
  }
  return lines;
}

async function view(client: Client, status: StudyStatus, seconds: number): Promise<string[]> {
  const { study } = status;
  if (!study) return [];
  const training = await trainingOf(client, status);
  const share = Math.min(1, status.epochs / Math.max(1, status.plannedEpochs));
  const bar = '█'.repeat(Math.round(share * 30)).padEnd(30, '░');
  const planned = closedPlan(status);
  const saved = planned > status.epochs ? `, ${planned - status.epochs} saved so far` : '';
  const left =
    status.epochs > 0 ? `, about ${duration((seconds / status.epochs) * (status.plannedEpochs - planned))} left` : '';
  const lines = [
    `${pc.bold(study.name)} ${status.phase}  ${bar} ${status.epochs}/${status.plannedEpochs} ${study.budgetUnit}${saved}${left}`,
    status.best
      ? `best ${study.objective.metric} ${pc.green(short(status.best.value))} ${status.best.trial} at ${status.best.budget} ${study.budgetUnit}`
      : 'no round closed yet',
  ];
  for (const bracket of status.brackets.slice(-6)) {
    const rounds = bracket.rounds.map((round) => {
      const text = `${round.entered || round.planned}→${round.to}`;
      return round.state === 'done' ? pc.green(text) : round.state === 'running' ? pc.yellow(text) : pc.dim(text);
    });
    lines.push(`  ${bracket.id.padEnd(6)} ${rounds.join('  ')}`);
  }
  lines.push(
    `training: ${training.map(({ trial, epoch }) => `${trial}@${epoch}`).join(' ') || '-'}`.slice(
      0,
      process.stdout.columns || 120
    )
  );
  return lines;
}

/** What the closed rounds would have cost without a predictor. */
function closedPlan(status: StudyStatus): number {
  return status.brackets
    .flatMap((bracket) => bracket.rounds)
    .filter((round) => round.state === 'done')
    .reduce((sum, round) => sum + round.entered * (round.to - round.from), 0);
}

/** Epoch by epoch, out of the heartbeats of the running rounds: it costs no history. */
async function trainingOf(client: Client, status: StudyStatus): Promise<Training[]> {
  const places = await trainingNow(client, status);
  const found: Training[] = [];
  for (const { workflowId, progress } of places) {
    if (progress.running.length === 0) continue;
    const { raw } = await client.workflow.getHandle(workflowId).describe();
    for (const activity of raw.pendingActivities ?? []) {
      const data = activity.heartbeatDetails?.payloads?.[0]?.data;
      if (!data) continue;
      const beat = JSON.parse(Buffer.from(data).toString()) as TrainHeartbeat;
      found.push({ trial: beat.trial, epoch: beat.epoch });
    }
  }
  return found;
}
