/** Runs the built command, and ends it when it takes too long. */
import { spawn } from 'node:child_process';

export interface Printed {
  /** Null: it was ended. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export async function runCommand(
  command: readonly string[],
  { env, milliseconds }: { readonly env: NodeJS.ProcessEnv; readonly milliseconds: number }
): Promise<Printed> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { code, out, err };
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
