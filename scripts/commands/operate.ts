/** pause, resume, stop, parallelism, retry, drop, delete. */
import { rmSync } from 'node:fs';
import type { Command } from 'commander';
import { readRecord, studyFolder } from '../../activities/record-store.js';
import { dropTrial, pauseStudy, resumeStudy, retryTrials, setParallelism, stopStudy } from '../api.js';
import { withClient } from '../connect.js';
import { CliError } from '../errors.js';
import { stateDir } from '../state.js';

export function addOperateCommands(program: Command): void {
  const simple: [string, string, (name: string) => Promise<string>][] = [
    ['pause', 'trainers save themselves and wait', pauseStudy],
    ['resume', 'go on after a pause', resumeStudy],
    ['stop', 'end a study early; its best is kept', stopStudy],
  ];
  for (const [command, description, act] of simple) {
    program
      .command(`${command} <study>`)
      .description(description)
      .action(async (name: string) => console.log(await act(name)));
  }

  program
    .command('parallelism <study> <trials>')
    .description('change how many trials train at once')
    .action(async (name: string, trials: string) => console.log(await setParallelism(name, Number(trials))));

  program
    .command('retry <study> [trial]')
    .description('put a parked trial back, or all of them with --failed')
    .option('--failed', 'every parked trial')
    .option('--reset', 'train from the start instead of the checkpoint')
    .action(async (name: string, trial: string | undefined, options: { failed?: boolean; reset?: boolean }) => {
      if ((trial === undefined) === !options.failed)
        throw new CliError('name a trial or say --failed, one of the two', 2);
      for (const line of await retryTrials(name, trial ?? null, options.reset ?? false)) console.log(line);
    });

  program
    .command('drop <study> <trial>')
    .description('give a parked trial up: it ranks last')
    .action(async (name: string, trial: string) => {
      for (const line of await dropTrial(name, trial)) console.log(line);
    });

  program
    .command('delete <study>')
    .description('remove records, checkpoints, logs and workflows of a closed study')
    .option('--force', 'terminate it first when it runs')
    .action(async (name: string, options: { force?: boolean }) => {
      const workflows = await deleteWorkflows(name, options.force ?? false);
      const recorded = readRecord(stateDir(), name) !== null;
      if (workflows === 0 && !recorded)
        throw new CliError(
          `no study named ${name} on this server or in the records. Fix: \`everband list\` shows what there is.`
        );
      rmSync(studyFolder(stateDir(), name), { recursive: true, force: true });
      console.log(`deleted ${name}: ${workflows} workflows${recorded ? ', records, checkpoints and logs' : ''}`);
    });
}

async function deleteWorkflows(name: string, force: boolean): Promise<number> {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) throw new CliError(`${JSON.stringify(name)} is no study's name`, 2);
  return withClient(async (client) => {
    const found = [];
    for await (const one of client.workflow.list({ query: `EverbandStudy = '${name}'` })) found.push(one);
    const running = found.filter((one) => one.status.name === 'RUNNING');
    if (running.length > 0 && !force)
      throw new CliError(`study ${name} is running. Fix: \`everband stop ${name}\`, or delete it with --force.`);
    for (const { workflowId, runId } of running)
      await client.workflow
        .getHandle(workflowId, runId)
        .terminate('deleted')
        .catch(() => undefined);
    for (const { workflowId, runId } of found) {
      await client.workflowService.deleteWorkflowExecution({
        namespace: client.options.namespace,
        workflowExecution: { workflowId, runId },
      });
    }
    return found.length;
  });
}
