/** What a trainer prints, taken apart as it comes: nothing but a line's beginning and lines of the protocol is ever kept. */
import { maxLine } from './protocol.js';

const [newline, brace] = [0x0a, 0x7b];

/**
 * Passes output on in whole lines, and those that may be of the protocol once more on their own. A line longer than
 * `maxLine` is the log's alone, and goes there in pieces.
 */
export class LineSplitter {
  /** The beginning of a line that has not ended. */
  private held = Buffer.alloc(0);
  private size = 0;
  /** The beginning of the line is in the log: it is too long. */
  private tooLong = false;

  constructor(
    private readonly onLog: (text: Buffer) => void,
    private readonly onLine: (line: string) => void
  ) {}

  push(chunk: Buffer): void {
    let start = 0;
    for (let end: number; (end = chunk.indexOf(newline, start)) >= 0; start = end + 1) {
      if (start > 0 || (this.size === 0 && !this.tooLong)) this.see(chunk, start, end);
      else this.endLine(chunk.subarray(0, end));
    }
    if (start > 0) this.onLog(chunk.subarray(0, start));
    this.hold(chunk.subarray(start));
  }

  /** What has come of a line so far is the log's, and so is its rest. */
  flush(): void {
    if (this.size === 0) return;
    this.onLog(this.take());
    this.tooLong = true;
  }

  /** The output has ended. */
  end(): void {
    if (this.size > 0) this.see(this.held, 0, this.size);
    this.flush();
    if (this.tooLong) this.onLog(Buffer.from('\n'));
  }

  /** Ends the line whose beginning came with an earlier chunk. */
  private endLine(rest: Buffer): void {
    if (!this.tooLong && this.size + rest.length <= maxLine) {
      const size = this.size;
      this.append(rest);
      this.see(this.held, 0, this.size);
      this.size = size;
    }
    if (this.size > 0) this.onLog(this.take());
    this.tooLong = false;
  }

  private hold(part: Buffer): void {
    if (part.length === 0) return;
    if (!this.tooLong && this.size + part.length <= maxLine) return this.append(part);
    if (this.size > 0) this.onLog(this.take());
    this.tooLong = true;
    this.onLog(part);
  }

  /** In ever larger pieces: output that comes byte by byte must not be copied anew for each. */
  private append(part: Buffer): void {
    const needed = this.size + part.length;
    if (needed > this.held.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.held.length, 1024));
      this.held.copy(larger, 0, 0, this.size);
      this.held = larger;
    }
    part.copy(this.held, this.size);
    this.size = needed;
  }

  private take(): Buffer {
    const taken = this.held.subarray(0, this.size);
    this.held = Buffer.alloc(0);
    this.size = 0;
    return taken;
  }

  /** Only a line that begins with a brace can be one of the protocol. */
  private see(bytes: Buffer, start: number, end: number): void {
    if (end - start > maxLine) return;
    let first = start;
    while (first < end && isSpace(bytes[first])) first++;
    if (first < end && bytes[first] === brace) this.onLine(bytes.toString('utf8', first, end));
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

const tailBytes = 8192;
const tailLines = 20;
const tailCharacters = 1000;

/** The last lines of output, for the message of a failure. */
export class Tail {
  private kept = Buffer.alloc(0);
  private cut = false;

  push(chunk: Buffer): void {
    this.cut ||= this.kept.length + chunk.length > tailBytes;
    this.kept = Buffer.concat([this.kept, chunk.subarray(-tailBytes)]).subarray(-tailBytes);
  }

  clear(): void {
    this.kept = Buffer.alloc(0);
    this.cut = false;
  }

  /** At most 20 lines, each of at most 1000 characters, and 8 KiB in all. */
  get text(): string {
    const lines = this.kept
      .toString()
      .replace(/(?:\r\n?|\n)$/, '')
      .split(/\r\n?|\n/);
    if (this.cut) lines[0] = `...${lines[0]}`;
    const shown = lines.slice(-tailLines);
    return shown
      .map((line) => (line.length > tailCharacters ? `${line.slice(0, tailCharacters)}...` : line))
      .join('\n');
  }
}
