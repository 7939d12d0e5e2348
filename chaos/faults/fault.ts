/** What a kind of fault is. */
import type { Stream } from '../../core/rng.js';
import type { Stage } from '../stage.js';

/** What was drawn for one fault: plain values, so that a round can be told again. */
export type Drawn = Readonly<Record<string, number | string | boolean>>;

/**
 * What must hold after a fault:
 *
 * - `same`: the bytes of the undisturbed study, and at most one epoch again for each fault and trial, beside what two
 *   attempts train at the same time while nobody knows that one of them counts no more.
 * - `intact`: the same bytes; epochs are trained again back to the newest intact checkpoint.
 * - `audit`: the record passes the audit, which tells its events again, and every curve is its trainer's.
 * - `named`: what cannot be taken up is refused by name, and nothing is made up.
 */
type Oracle = 'same' | 'intact' | 'audit' | 'named';

export interface Fault {
  /** One line for tables. */
  readonly says: string;
  readonly oracle: Oracle;
  /** At most once a round. */
  readonly once?: boolean;
  /** It takes from the files what a recovery needs. */
  readonly damages?: boolean;
  /** It leads to a recovery. */
  readonly takesUp?: boolean;
  draw(random: Stream): Drawn;
  /**
   * Resolves once everything that it broke is whole again, as far as an operator would mend it. False: there was nothing to
   * hit.
   */
  inject(stage: Stage, drawn: Drawn): Promise<boolean>;
}
