/** The same trainer as a TypeScript module. */
export { train } from './module.mjs';
