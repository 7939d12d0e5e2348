// mocha's spec output and the one line that counts.
import mocha from 'mocha';

export default class Reporter extends mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      process.send?.({ passes, failures, pending });
    });
  }
}
