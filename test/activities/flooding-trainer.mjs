/** Prints as fast as it can between its epochs, on both outputs: `megabytes` on each in all, in `epochs` parts. */
import { Buffer } from 'node:buffer';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

const block = Buffer.from(
  'a line of a log that goes on and on, a hundred bytes of it, of which nobody wants to read any\n'.repeat(700)
);

function print(fd, bytes) {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { from, to, config } = JSON.parse(line);
  for (let epoch = from + 1; epoch <= to; epoch++) {
    if (epoch === config.hangAt) {
      // Prints for ever, and never ends the epoch.
      for (;;) print(epoch % 2 ? 1 : 2, block);
    }
    const blocks = Math.ceil((config.megabytes * 1e6) / block.length / (to - from));
    for (let i = 0; i < blocks; i++) {
      print(1, block);
      print(2, block);
    }
    print(1, Buffer.from(`{"epoch":${epoch},"loss":${1 / epoch}}\n`));
  }
  print(1, Buffer.from('{"ready":true}\n'));
}
