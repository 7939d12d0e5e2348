import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { trainerCommand } from '../../trainers/trainer-command.js';

describe('trainer command', () => {
  const script = 'import everband, sys; print(everband.__file__); print("/mine" in sys.path)';
  const command = (env: Record<string, string>) =>
    trainerCommand({ type: 'command', command: ['python3', '-c', script], cwd: '/', env });

  it('lets a Python script import the helper without an installation, after the paths the study names', () => {
    const { command: args, env } = command({ PYTHONPATH: '/mine' });
    const out = execFileSync(args[0] as string, args.slice(1), { env: { ...process.env, ...env } }).toString();
    assert.match(out, new RegExp(path.join('python', 'everband', '__init__.py')));
    assert.match(out, /True/);
    assert.ok(env['PYTHONPATH']?.startsWith('/mine'));
  });

  it('keeps the environment of the study', () => {
    assert.equal(command({ A: 'b' }).env['A'], 'b');
  });
});
