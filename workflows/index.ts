/** Every workflow type a worker registers. */
export { everbandStudy } from './study.js';
export { everbandBracket } from './bracket.js';
export { everbandAsha } from './asha.js';
export { everbandRound } from './round.js';
export { everbandShard } from './shard.js';
