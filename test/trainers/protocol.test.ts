import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { formatEpoch, parseLine } from '../../trainers/protocol.js';

describe('line protocol', () => {
  const value = (line: string) => {
    const message = parseLine(line, 'loss');
    return message.type === 'epoch' ? message.value : message.type;
  };

  it('reads an epoch', () => {
    assert.deepEqual(parseLine('{"epoch":3,"loss":0.5,"checkpoint":"e3"}', 'loss'), {
      ...{ type: 'epoch', epoch: 3, value: 0.5, others: {}, checkpoint: 'e3' },
    });
  });

  it('reads what is no number as a divergence', () => {
    assert.equal(value('{"epoch": 1, "loss": NaN}'), 'nan');
    assert.equal(value('{"epoch": 1, "loss": Infinity, "note": "NaN"}'), 'inf');
    assert.equal(value('{"epoch": 1, "loss": -Infinity}'), '-inf');
    assert.equal(value('{"epoch": 1, "loss": null}'), 'nan');
    assert.equal(value('{"epoch": 1, "loss": 1e999}'), 'inf');
  });

  it('reads every other number, none where it is not finite, and leaves the rest to the log', () => {
    const line =
      '{"epoch":1,"loss":0.5,"accuracy":0.9,"gradient":NaN,"norm":-Infinity,"none":null,"note":"x","on":true,"list":[1]}';
    const message = parseLine(line, 'loss');
    assert.equal(message.type, 'epoch');
    assert.equal(message.type === 'epoch' && message.value, 0.5);
    assert.deepEqual(message.type === 'epoch' && message.others, {
      ...{ accuracy: 0.9, gradient: null, norm: null, none: null },
    });
  });

  it('must have every metric that is asked for, unless the epoch diverged', () => {
    const read = (line: string) => parseLine(line, 'loss', ['latency', 'memory']);
    const found = read('{"epoch":1,"loss":0.5,"memory":null,"latency":12,"accuracy":1}');
    assert.deepEqual(found.type === 'epoch' && found.metrics, { latency: 12, memory: null });
    assert.deepEqual(read('{"epoch":1,"loss":0.5,"latency":12}'), {
      ...{ type: 'malformed', problem: 'the metric "memory" is missing: {"epoch":1,"loss":0.5,"latency":12}' },
    });
    assert.equal(read('{"epoch":1,"loss":0.5,"latency":"12","memory":1}').type, 'malformed');
    const diverged = read('{"epoch":1,"loss":NaN}');
    assert.deepEqual(diverged.type === 'epoch' && [diverged.value, diverged.metrics], ['nan', undefined]);
  });

  it('takes anything else for the log', () => {
    for (const line of ['', 'epoch 3', '{"loss":1}', '{not json', '[1]', '{"lr":0.1}'])
      assert.equal(value(line), 'log');
  });

  it('tells a broken protocol line from the log', () => {
    for (const line of ['{"epoch":3,"lo', '{"epoch":"3","loss":1}', '{"epoch":3}', '{"epoch":3,"loss":"0.5"}']) {
      assert.equal(value(line), 'malformed', line);
    }
  });

  it('allows a metric called error', () => {
    assert.equal(parseLine('{"epoch":1,"error":0.25}', 'error').type, 'epoch');
    const error = { type: 'error', message: 'no data', kind: 'error' };
    assert.deepEqual(parseLine('{"error":"no data"}', 'error'), error);
  });

  it('takes the kind of an error, and what is none as an error', () => {
    for (const kind of ['oom', 'timeout', 'crash', 'error']) {
      const line = JSON.stringify({ error: 'no data', kind });
      assert.deepEqual(parseLine(line, 'loss'), { type: 'error', message: 'no data', kind });
    }
    for (const kind of ['OOM', 3, null, '__proto__']) {
      const line = JSON.stringify({ error: 'no data', kind });
      assert.deepEqual(parseLine(line, 'loss'), { type: 'error', message: 'no data', kind: 'error' });
    }
  });

  it('writes what it reads', () => {
    assert.equal(value(formatEpoch(1, { loss: NaN })), 'nan');
    assert.equal(value(formatEpoch(1, { loss: 0.1 + 0.2 }, 'a "name"')), 0.1 + 0.2);
  });

  it('takes as long as its line, whatever is on it', function () {
    this.timeout(200_000);
    // In a process of its own, which can be ended: read in quadratic time, one of these lines takes minutes.
    const file = fileURLToPath(new URL('./long-lines.ts', import.meta.url));
    const { status, signal, stdout } = spawnSync(process.execPath, ['--import', 'tsx', file], {
      ...{ encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL' },
    });
    assert.deepEqual({ status, signal }, { status: 0, signal: null }, stdout);
    assert.equal(stdout.trim(), 'malformed malformed malformed malformed epoch epoch error log');
  });

  it('reads the tokens of Python as a search character by character would', () => {
    const piece = fc.constantFrom(
      '"',
      '\\',
      '\\"',
      'NaN',
      '-',
      'Infinity',
      '-Infinity',
      ',',
      ':',
      '{',
      '}',
      '[1]',
      '0',
      'a',
      ' '
    );
    const likely = fc.constantFrom('"x":', 'NaN', '"NaN"', '-Infinity', '"\\"NaN"', '1', ',', '"a\\\\"');
    const body = fc.oneof(fc.array(piece, { maxLength: 12 }), fc.array(likely, { maxLength: 8 }));
    fc.assert(
      fc.property(body, (parts) => {
        const line = `{"epoch":1,"loss":0,${parts.join('')}}`;
        const quoted = quoteTokens(line);
        const valid = [line, quoted].some((text) => isJson(text));
        assert.equal(parseLine(line, 'loss').type === 'malformed', !valid, line);
      }),
      { numRuns: 3000 }
    );
  });

  it('cuts what it repeats of a line', () => {
    const message = parseLine(JSON.stringify({ error: 'x'.repeat(100_000) }), 'loss');
    assert.ok(message.type === 'error' && message.message.length < 5000);
  });
});

/** Puts NaN, Infinity and -Infinity outside strings into quotes; a string that never ends is one to the end of the line. */
function quoteTokens(line: string): string {
  let out = '';
  for (let at = 0; at < line.length;) {
    let end = at + 1;
    if (line[at] === '"') {
      while (end < line.length && line[end] !== '"') end += line[end] === '\\' ? 2 : 1;
      out += line.slice(at, end + 1);
      at = end + 1;
      continue;
    }
    const [token] = /^-?(?:Infinity|NaN)(?![A-Za-z0-9_])/.exec(line.slice(at)) ?? [];
    if (token !== undefined && (token.startsWith('-') || !/[A-Za-z0-9_]$/.test(line.slice(0, at)))) {
      out += JSON.stringify(token);
      end = at + token.length;
    } else out += line.slice(at, end);
    at = end;
  }
  return out;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
