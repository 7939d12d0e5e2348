/** Every workflow type a worker registers. */
export { everbandStudy } from './study.js';
export { everbandRound } from './round.js';
export { everbandShard } from './shard.js';
export { everbandLate } from './late.js';
