// mocha's spec output and the one line that counts.
import { writeFileSync } from 'node:fs';
import mocha from 'mocha';

export default class Reporter extends mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      if (process.env.EVERBAND_COUNTS)
        writeFileSync(process.env.EVERBAND_COUNTS, JSON.stringify({ passes, failures, pending }));
    });
  }
}
