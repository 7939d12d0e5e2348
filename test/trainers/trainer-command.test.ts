import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { trainerCommand } from '../../trainers/trainer-command.js';
import { NotAllowedError } from '../../trust/allowed.js';
import type { CommandTrainer } from '../../core/study.js';
import { allowTrainer } from '../trusted.js';

describe('trainer command', () => {
  const stateDir = mkdtempSync(path.join(os.tmpdir(), 'everband-command-'));
  after(() => rmSync(stateDir, { recursive: true, force: true }));
  const script = path.join(stateDir, 'train.py');
  writeFileSync(script, 'import everband, sys; print(everband.__file__); print("/mine" in sys.path, sys.argv[1:])');

  const trainer = (env: CommandTrainer['env']): CommandTrainer => {
    return { type: 'command', command: ['python3', script, '{lr}', 'a b'], cwd: stateDir, env };
  };
  const command = (env: CommandTrainer['env'], passEnv: readonly string[] = []) => {
    allowTrainer(stateDir, trainer(env));
    return trainerCommand(trainer(env), { stateDir, passEnv });
  };

  it('lets a Python script import the helper without an installation, after the paths the study names', () => {
    const { command: args, env } = command({ PYTHONPATH: '/mine' });
    const out = execFileSync(args[0] as string, args.slice(1), { env }).toString();
    assert.match(out, new RegExp(path.join('python', 'everband', '__init__.py')));
    assert.match(out, /True \['\{lr\}', 'a b'\]/);
    assert.ok(env['PYTHONPATH']?.startsWith('/mine'));
  });

  it("gives a trainer what the study sets, what its operator passes on, and nothing that is the worker's own", () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      ...{ TEMPORAL_API_KEY: 'tk', EVERBAND_KEY: 'k', AWS_SECRET_ACCESS_KEY: 's', WANDB_API_KEY: 'w', SLURM_JWT: 'j' },
      ...{ SLURM_JOB_ID: '7', CUDA_VISIBLE_DEVICES: '1', HTTPS_PROXY: 'http://p', EVERBAND_SECRET_DB: 'geheim' },
    });
    delete process.env['EVERBAND_KEY'];
    try {
      const { env, secrets } = command({ A: 'b', DB: { secret: 'db' } }, ['WANDB_API_KEY', 'TEMPORAL_API_KEY']);
      const shown = Object.fromEntries(
        ['A', 'DB', 'TEMPORAL_API_KEY', 'AWS_SECRET_ACCESS_KEY', 'WANDB_API_KEY', 'SLURM_JWT', 'SLURM_JOB_ID'].map(
          (name) => [name, env[name]]
        )
      );
      assert.deepEqual(shown, {
        ...{ A: 'b', DB: 'geheim', TEMPORAL_API_KEY: undefined, AWS_SECRET_ACCESS_KEY: undefined },
        ...{ WANDB_API_KEY: 'w', SLURM_JWT: undefined, SLURM_JOB_ID: '7' },
      });
      assert.deepEqual([env['CUDA_VISIBLE_DEVICES'], env['HTTPS_PROXY']], ['1', 'http://p']);
      assert.deepEqual([...secrets].sort(), ['geheim', 'w']);
    } finally {
      process.env = before;
    }
  });

  it('runs nothing that was not allowed, in an environment that was not', () => {
    const other = { ...trainer({}), command: ['python3', path.join(stateDir, 'other.py')] };
    writeFileSync(other.command[1] as string, '');
    const refused = (one: CommandTrainer, message: RegExp) =>
      assert.throws(
        () => trainerCommand(one, { stateDir, passEnv: [] }),
        (error: Error) => error instanceof NotAllowedError && message.test(error.message)
      );
    refused(other, /has not allowed the trainer `python3 .*other\.py`\. Fix: `everband worker --allow <study file>`/);
    command({});
    refused(trainer({ LD_PRELOAD: '/x.so' }), /with LD_PRELOAD in its environment/);
    refused({ ...trainer({}), command: ['python3', '-c', 'print(1)'] }, /gives python3 its code in an argument/);
  });
});
