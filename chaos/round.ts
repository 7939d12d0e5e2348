/** Carries out a round: starts its studies, injects its faults, waits for the end and checks it. */
import { withClient } from '../cluster/connect.js';
import { troublesOf, type Trouble } from '../cluster/troubles.js';
import { workflowIds } from '../workflows/messages.js';
import { sleep } from './command.js';
import { faults, type Kind } from './faults/index.js';
import { checkStudy, type Checked } from './oracle.js';
import type { RoundPlan } from './plan.js';
import { Stage, type ChaosStudy } from './stage.js';

/** Seconds that studies may take to end once everything is whole again. */
const limitSeconds = 300;
/** Looks in a row, a second apart, in which a workflow's code has failed before an operator takes its study up. */
const patience = 4;

export interface RoundOutcome {
  readonly seed: number;
  readonly round: number;
  readonly seconds: number;
  readonly injected: Readonly<Partial<Record<Kind, number>>>;
  readonly skipped: Readonly<Record<string, string>>;
  readonly studies: readonly Checked[];
  /** What must not be, one sentence each; empty: all is well. */
  readonly problems: readonly string[];
  readonly events: readonly string[];
  /** Where the files are, when something was wrong. */
  readonly kept: string | null;
}

export interface RoundOptions {
  readonly python: string | null;
  /** Hears what happens. */
  readonly hear: (line: string) => void;
}

export async function runRound(plan: RoundPlan, { python, hear }: RoundOptions): Promise<RoundOutcome> {
  const began = Date.now();
  const stage = new Stage(plan, python, hear);
  const injected: Partial<Record<Kind, number>> = {};
  let studies: Checked[] = [];
  try {
    await stage.begin();
    await Promise.all(
      plan.faults.map(async ({ kind, at, drawn, number }) => {
        await sleep(at);
        const hit = await faults[kind].inject(stage, drawn).catch((error: unknown) => {
          stage.problem(
            `fault ${number} (${kind}) could not be carried out: ${String((error as Error).stack ?? error)}`
          );
          return false;
        });
        if (hit) injected[kind] = (injected[kind] ?? 0) + 1;
      })
    );
    stage.note('everything is whole again');
    await untilEnded(stage);
    studies = await Promise.all(
      stage.studies.filter((one) => stage.isClosed(one)).map((one) => checkStudy(stage, one))
    );
  } catch (error) {
    stage.problem(String((error as Error).stack ?? error));
  } finally {
    await stage.end();
  }
  const problems = [
    ...stage.problems,
    ...studies.flatMap((one) => one.problems.map((text) => `${one.study}: ${text}`)),
  ];
  stage.clean(problems.length > 0);
  return {
    ...{ seed: plan.seed, round: plan.round, seconds: (Date.now() - began) / 1000, injected, studies, problems },
    ...{ skipped: Object.fromEntries(stage.skipped), events: stage.events },
    kept: problems.length > 0 ? stage.folder : null,
  };
}

/** Waits for every study's end, and does what an operator has to. */
async function untilEnded(stage: Stage): Promise<void> {
  for (const study of stage.open)
    if (stage.plan.faults.some(({ kind }) => kind === 'operators')) await stage.resume(study);
  const failing = new Map<ChaosStudy, number>();
  for (const until = Date.now() + limitSeconds * 1000; ; await sleep(1000)) {
    const states = await Promise.all(stage.studies.map((study) => stateOf(study).catch(() => 'unknown')));
    const open = stage.studies.filter((study, i) => !stage.isClosed(study) || states[i] === 'running');
    if (open.length === 0) return;
    for (const [i, state] of states.entries()) {
      const study = stage.studies[i] as ChaosStudy;
      if (['failed', 'terminated', 'cancelled', 'timed_out'].includes(state) && !stage.isClosed(study)) {
        stage.problem(`study ${study.plan.name} is ${state}: ${await stage.statusOf(study)}`);
        return;
      }
      const troubles = state === 'running' ? await troublesNow(study) : [];
      // The first trials have failed for want of room, which there is again.
      if (troubles.some(({ kind, says }) => kind === 'paused' && /ENOSPC|No space left/.test(says))) {
        stage.note(`${study.plan.name} has paused while the disk was full, and is resumed`);
        await stage.resume(study);
      }
      const fails = troubles.some(({ kind }) => kind === 'fails');
      failing.set(study, fails ? (failing.get(study) ?? 0) + 1 : 0);
      if ((failing.get(study) ?? 0) < patience) continue;
      failing.set(study, 0);
      if (stage.plan.faults.some(({ kind }) => kind === 'roll')) {
        stage.note(`the workflow code of ${study.plan.name} fails, and it is taken up`);
        await stage.alone(study, async () => stage.recover(study, stage.build));
      }
    }
    if (Date.now() < until) continue;
    for (const study of open) {
      stage.problem(
        `study ${study.plan.name} has not ended ${limitSeconds} s after the last fault: ${await stage.statusOf(study)}`
      );
    }
    return;
  }
}

/** How the server says that a study stands; `gone`: it does not know it. */
async function stateOf({ plan: { name } }: ChaosStudy): Promise<string> {
  return withClient(async (client) => {
    try {
      const { status } = await client.workflow.getHandle(workflowIds.study(name)).describe();
      return status.name.toLowerCase();
    } catch (error) {
      if ((error as Error).name === 'WorkflowNotFoundError') return 'gone';
      throw error;
    }
  });
}

async function troublesNow({ plan: { name } }: ChaosStudy): Promise<readonly Trouble[]> {
  return withClient((client) => troublesOf(client, name)).catch(() => []);
}
