// mocha's spec output, and for scripts/test.mjs the counts and what failed.
import { writeFileSync } from 'node:fs';
import mocha from 'mocha';

export default class Reporter extends mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const lines = [];
    runner.on('fail', (test, error) => lines.push(`${test.fullTitle()}: ${String(error?.message).split('\n')[0]}`));
    runner.once('end', () => {
      const { passes: passed, failures: failed, pending: skipped } = this.stats;
      if (process.env.EVERBAND_COUNTS)
        writeFileSync(process.env.EVERBAND_COUNTS, JSON.stringify({ passed, failed, skipped, lines }));
    });
  }
}
