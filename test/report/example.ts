/** A study with every fate in it, for looking at and for tests: curves that fall like real ones, from a fixed seed. */
import { Rng } from '../../core/rng.js';
