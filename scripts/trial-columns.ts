/** The columns that `everband trials --columns` chooses from. */
import type { Json } from '../core/study.js';
import { numberOf, reportedNames, reportedOf, type ReadEpochs, type Reported } from '../report/reported.js';
import { paramNames, paramOf } from '../report/trials.js';
import type { TrialRow } from '../workflows/messages.js';
import { CliError } from '../cluster/errors.js';
import { short } from './terminal.js';

/** Undefined where a trial has no such value. */
type Column = (row: TrialRow) => Json | undefined;

/** What a late retry came to; undefined where there was none. */
export function lateText({ late }: TrialRow): string | undefined {
  return late && late.state + (late.value === null ? '' : `, ${short(late.value)} at ${late.epochs}`);
}

/** What every study has, whatever its space and trainer. */
const recordColumns: Readonly<Record<string, Column>> = {
  id: ({ id }) => id,
  fate: ({ fate }) => fate,
  epochs: ({ epochs }) => epochs,
  value: ({ value }) => value ?? undefined,
  config: ({ config }) => config,
  lineage: ({ lineage }) =>
    lineage?.map(({ epoch, donor, donorEpoch = epoch }) => `${donor} at ${donorEpoch}`).join(', '),
  late: (row) => lateText(row),
};
const workerColumns: Readonly<Record<string, (reported: Reported) => Json>> = {
  seconds: ({ seconds }) => seconds,
  host: ({ host }) => host,
};
export const fixedColumns = [...Object.keys(recordColumns), ...Object.keys(workerColumns)];

/**
 * The cells of these columns for the trials that are listed. A file of epochs is read only for a column that needs it,
 * of trials that are listed, and of the one that trained longest, which tells what trainers of this study report.
 * @throws CliError for an unknown column, with those that there are
 */
export function cellsOf(
  names: readonly string[],
  listed: readonly TrialRow[],
  all: readonly TrialRow[],
  read: ReadEpochs
): (Json | undefined)[][] {
  const columns = new Columns(listed, all, read);
  const unknown = names.filter((name) => columns.find(name) === null);
  if (unknown.length > 0) throw new CliError(`no column is called ${unknown.join(' or ')}. ${columns.described()}`, 2);
  const chosen = names.flatMap((name) => columns.find(name) ?? []);
  return listed.map((row) => chosen.map((column) => column(row)));
}

class Columns {
  private readonly params: ReadonlySet<string>;
  private readonly kept = new Map<string, Reported | null>();
  private names: ReadonlySet<string> | null = null;

  constructor(
    private readonly listed: readonly TrialRow[],
    private readonly all: readonly TrialRow[],
    private readonly read: ReadEpochs
  ) {
    this.params = new Set(paramNames(all));
  }

  /** Null for an unknown one. A prefix tells a parameter and a number apart that have one name, or that of a column. */
  find(name: string): Column | null {
    if (Object.hasOwn(recordColumns, name)) return recordColumns[name] ?? null;
    if (Object.hasOwn(workerColumns, name)) {
      return (row) => {
        const own = this.reported(row);
        return own ? workerColumns[name]?.(own) : undefined;
      };
    }
    return (
      this.param(name) ??
      this.param(without('config.', name)) ??
      this.number(name) ??
      this.number(without('reported.', name))
    );
  }

  described(): string {
    const kinds: [what: string, names: Iterable<string>][] = [
      ['Columns of every study', fixedColumns],
      ['parameters', this.params],
      ['reported numbers', this.numbers()],
    ];
    return kinds.map(([what, names]) => `${what}: ${[...names].join(', ') || 'none'}`).join('; ') + '.';
  }

  private param(name: string | null): Column | null {
    return name !== null && this.params.has(name) ? (row) => paramOf(row, name) : null;
  }

  private number(name: string | null): Column | null {
    return name !== null && this.numbers().has(name) ? (row) => numberOf(this.reported(row), name) : null;
  }

  private numbers(): ReadonlySet<string> {
    if (this.names === null) {
      const longest = this.all.reduce<TrialRow | null>(
        (most, row) => (most && most.epochs >= row.epochs ? most : row),
        null
      );
      const asked = longest ? [...this.listed, longest] : [];
      this.names = new Set(reportedNames(asked.flatMap((row) => this.reported(row) ?? [])));
    }
    return this.names;
  }

  private reported(row: TrialRow): Reported | null {
    let own = this.kept.get(row.id);
    if (own === undefined) this.kept.set(row.id, (own = reportedOf(row, row.epochs, this.read)));
    return own;
  }
}

function without(prefix: string, name: string): string | null {
  return name.startsWith(prefix) ? name.slice(prefix.length) : null;
}
