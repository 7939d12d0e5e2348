/** Every kind of fault there is: a new one is a file beside this one and a line here. */
import { clock } from './clock.js';
import { roll } from './code.js';
import { disk } from './disk.js';
import type { Fault } from './fault.js';
import { checkpoints, records } from './files.js';
import { reuse } from './names.js';
import { cut } from './network.js';
import { operators } from './operators.js';
import { predictorHangs, predictorLies } from './predictor.js';
import { freeze, kill, term, together } from './processes.js';
import { lost, wipe } from './server.js';

export const faults = {
  kill,
  term,
  freeze,
  together,
  cut,
  clock,
  disk,
  wipe,
  checkpoints,
  records,
  'predictor-hangs': predictorHangs,
  'predictor-lies': predictorLies,
  operators,
  roll,
  reuse,
  lost,
} as const satisfies Readonly<Record<string, Fault>>;

export type Kind = keyof typeof faults;
export const kinds = Object.keys(faults) as Kind[];
