/** A progress bar for people; nothing where the output is no terminal. */
import { duration } from '../report/duration.js';
import { fit } from './terminal.js';

const width = 30;
/** Milliseconds between two drawings. */
const pause = 100;

export class Progress {
  private readonly since = Date.now();
  private drawn = 0;

  constructor(
    private readonly what: string,
    private readonly out: NodeJS.WriteStream = process.stderr
  ) {}

  show(done: number, all: number): void {
    const now = Date.now();
    if (!this.out.isTTY || (now - this.drawn < pause && done < all)) return;
    this.drawn = now;
    const full = Math.round((done / all) * width);
    const left = ((now - this.since) / 1000 / done) * (all - done);
    const line = `${'█'.repeat(full)}${'░'.repeat(width - full)} ${done}/${all} ${this.what}, ${duration(left)} left`;
    this.out.write(`\r\x1b[2K${fit(line, (this.out.columns || 80) - 1)}`);
  }

  /** Leaves the line as if nothing had been there. */
  end(): void {
    if (this.out.isTTY) this.out.write('\r\x1b[2K');
  }
}
