// Preloaded into a process: its clock is off by as many milliseconds as a file says, which may change at any time.
import { readFileSync } from 'node:fs';
import { setInterval } from 'node:timers';

const file = process.env.CHAOS_CLOCK;
if (file) {
  const Real = Date;
  let offset = 0;
  const look = () => {
    try {
      offset = Number(readFileSync(file, 'utf8'));
    } catch {
      offset = 0;
    }
  };
  look();
  setInterval(look, 200).unref();
  class Skewed extends Real {
    constructor(...given) {
      if (given.length === 0) super(Real.now() + offset);
      else super(...given);
    }
    static now() {
      return Real.now() + offset;
    }
  }
  globalThis.Date = new Proxy(Skewed, { apply: () => new Skewed().toString() });
}
