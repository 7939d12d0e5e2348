/** A command line as its words: no shell runs it, so what only a shell understands is refused. */
import { parse } from 'shell-quote';

/** The words, quotes taken off; or what stands in the way. */
export function commandWords(line: string): { readonly words: readonly string[] } | { readonly problem: string } {
  const parts = parse(line, (name) => ({ op: `$${name}` }) as never);
  const other = parts.find((part) => typeof part !== 'string');
  if (other === undefined && !line.includes('`')) return { words: parts as string[] };
  const shown =
    other === undefined ? '`' : 'comment' in other ? '#' : 'pattern' in other ? other.pattern : other.op || '$(';
  return {
    problem:
      `has ${shown}, which only a shell understands, and no shell runs a trainer: write a list of words, or put the line ` +
      'into a script and name that with its program, such as [sh, train.sh]',
  };
}
