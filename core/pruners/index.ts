/** Every pruner there is: a new one is a file beside this one and a line here. */
import type { PrunerDefinition } from '../engine/pruner.js';
import { fast, type FastPruner } from './fast.js';
import { median, type MedianPruner } from './median.js';
import { none, type NoPruner } from './none.js';
import { swift, type SwiftPruner } from './swift.js';

export const pruners = { none, median, fast, swift };

export type { FastPruner, MedianPruner, NoPruner, SwiftPruner };
export type PrunerSettings = {
  [Name in keyof typeof pruners]: (typeof pruners)[Name] extends PrunerDefinition<infer Settings> ? Settings : never;
}[keyof typeof pruners];

export function prunerOf({ type }: Pick<PrunerSettings, 'type'>): PrunerDefinition<PrunerSettings> {
  return pruners[type] as unknown as PrunerDefinition<PrunerSettings>;
}
