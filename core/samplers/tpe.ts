/** The tree-structured Parzen estimator of BOHB (Falkner et al. 2018); defaults are HpBandSter's. */
import { tpeSpaceDraws, tpeTableDraws } from '../tpe-draws.js';
import type { SamplerDefinition } from './definition.js';

export interface TpeSampler {
  readonly type: 'tpe';
  /** W: trial t of a bracket is proposed from the results of its trials below W * floor(t / W). @default 8 */
  readonly wave: number;
  /** Share of trials drawn at random whatever is known. @default 1/3 */
  readonly randomFraction: number;
  /** Share of the results that count as good. @default 0.15 */
  readonly goodShare: number;
  /** Points sampled from l(x), of which the best l/g wins. @default 64 */
  readonly candidates: number;
  /** Factor on the bandwidths that candidates are sampled with. @default 3 */
  readonly bandwidthFactor: number;
  /** @default 1e-3 */
  readonly minBandwidth: number;
}

export const tpe: SamplerDefinition<TpeSampler> = {
  options: {
    wave: { kind: 'whole', default: 8, says: 'W: how many trials are proposed from the same results.' },
    randomFraction: {
      kind: 'number',
      min: 0,
      max: 1,
      default: 1 / 3,
      says: 'The share of trials drawn at random whatever is known.',
    },
    goodShare: {
      kind: 'number',
      above: 0,
      below: 1,
      default: 0.15,
      says: 'The share of the results that count as good.',
    },
    candidates: {
      kind: 'whole',
      default: 64,
      says: 'How many points are sampled from the good ones, of which the most promising wins.',
    },
    bandwidthFactor: {
      kind: 'number',
      above: 0,
      default: 3,
      says: 'The factor on the bandwidths that candidates are sampled with.',
    },
    minBandwidth: { kind: 'number', above: 0, default: 1e-3, says: 'The least bandwidth of a density.' },
  },
  nameWith: { hyperband: 'BOHB' },
  wave: (settings) => settings.wave,
  draws: (ground, settings) => tpeSpaceDraws(ground, settings),
  tableDraws: (ground, settings, table) => tpeTableDraws(ground, settings, table),
};
