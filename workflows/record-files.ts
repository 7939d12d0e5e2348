/** The files of a record that this run of a workflow wrote: their digests travel, their texts can be asked for. */
import { defineQuery, setHandler } from '@temporalio/workflow';
import { canonicalJson, digestOf } from '../core/record.js';
import type { Source } from '../core/trial.js';
import { digestBlockOf, type Digests } from './digests.js';

import type { Local } from './local.js';
import { messageBytes, queryNames, type FileAnswer, type FileQuery, type SealedIdentity } from './messages.js';

export class RecordFiles {
  private readonly texts = new Map<string, string>();
  private readonly all: Record<string, string> = {};

  constructor(
    private readonly study: string,
    private readonly identity: SealedIdentity,
    private readonly local: Local,
    before: Digests = {}
  ) {
    Object.assign(this.all, before);
    setHandler(defineQuery<FileAnswer | null, [FileQuery]>(queryNames.file), ({ name, from }) => {
      const text = this.texts.get(name);
      return text === undefined ? null : { text: text.slice(from, from + messageBytes), length: text.length };
    });
  }

  get digests(): Digests {
    return this.all;
  }

  /** Texts of the files that this run wrote and whose names are wanted. */
  textsOf(wanted: (name: string) => boolean): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.texts].filter(([name]) => wanted(name)));
  }

  /** Before a new run: the digests of many files travel as one. */
  async pack(): Promise<void> {
    const block = digestBlockOf(this.all);
    if (!block) return;
    await this.write(block.name, block.digests, []);
    for (const name of Object.keys(block.digests)) delete this.all[name];
  }

  /** Digests of files that a workflow below wrote. */
  take(digests: Digests): void {
    Object.assign(this.all, digests);
  }

  /** Notes a file that an activity has written. */
  note(name: string, content: unknown): string {
    const text = canonicalJson(content);
    this.texts.set(name, text);
    this.all[name] = digestOf(text);
    return text;
  }

  /**
   * Writes a file. `out`: trials whose checkpoints nobody needs any more; `released`: checkpoints that were held, and
   * from which nobody starts any more.
   */
  async write(name: string, content: unknown, out: readonly string[], released: readonly Source[] = []): Promise<void> {
    const text = this.note(name, content);
    await this.local.run((all) => all.record(this.study, this.identity, name, text, out, released));
  }
}
