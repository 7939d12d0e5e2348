/** What a sampler is: a file of its own in this folder that defines one of these, and a line in the index. */
import type { DrawGround, DrawTrial } from '../draws.js';
import type { Options } from '../options.js';
import type { Config, SearchSpace } from '../settings.js';

export interface SamplerDefinition<Settings extends { readonly type: string }> {
  readonly options: Options<Settings>;
  /** What it is called together with a scheduler, where the field has a name for both. */
  readonly nameWith?: Readonly<Record<string, string>>;
  /** How many trials it proposes at once from what it knows by then; null: it does not learn. */
  wave(settings: Settings): number | null;
  /** How each trial is drawn. */
  draws(ground: DrawGround, settings: Settings): DrawTrial;
  /** Why it can do nothing with a space; null when it can. */
  refuseSpace?(settings: Settings, space: SearchSpace): string | null;
  /** The same among the rows of a table of recorded configurations; absent: it has no meaning there. */
  tableDraws?(ground: DrawGround, settings: Settings, table: readonly Config[]): DrawTrial;
}
