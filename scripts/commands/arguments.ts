/** Arguments and options that several commands share; what is wrong ends with exit code 2. */
import { InvalidArgumentError, type Command } from 'commander';

/** Also keeps names out of paths and queries that have no business there. */
export function studyName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)) return text;
  throw new InvalidArgumentError(
    'A name consists of at most 100 letters, digits, ".", "_" and "-", and starts with a letter or a digit.'
  );
}

export function trialId(text: string): string {
  if (/^[A-Za-z0-9-]+$/.test(text)) return text;
  throw new InvalidArgumentError('A trial id looks like b4-t017.');
}

export function queueName(text: string): string {
  if (text.trim() !== '' && text.length <= 1000) return text;
  throw new InvalidArgumentError('A task queue has a name, such as big-gpu.');
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('It must be a whole number of at least 1.');
}

export function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

export function columnNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('Columns are names with commas between them, such as id,value.');
}

/** Adds examples to a command's help. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

export interface Json {
  readonly json?: boolean;
}

/** Prints `value` with --json, else the text. */
export function print({ json }: Json, value: unknown, text: string): void {
  console.log(json ? JSON.stringify(value) : text);
}
