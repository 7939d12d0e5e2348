import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LineSplitter, Tail } from '../../trainers/output.js';
import { maxLine } from '../../trainers/protocol.js';

describe("a trainer's output", () => {
  const split = (chunks: readonly (string | Buffer)[]) => {
    const [logged, lines]: [Buffer[], string[]] = [[], []];
    const splitter = new LineSplitter(
      // What is passed on is passed on for good.
      (text) => logged.push(Buffer.from(text)),
      (line) => lines.push(line)
    );
    for (const chunk of chunks) splitter.push(Buffer.from(chunk));
    splitter.end();
    return { log: Buffer.concat(logged).toString(), lines };
  };

  it('is all logged, however it comes, and lines that begin with a brace come on their own', () => {
    const piece = fc.constantFrom('{', '{"epoch":1}', 'text', ' ', '\t', '\n', '\n', '\r\n', 'é', '}');
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 6 }), { maxLength: 8 }), (parts) => {
        const chunks = parts.map((part) => part.join(''));
        const text = chunks.join('');
        const { log, lines } = split(chunks);
        assert.equal(log, text === '' || text.endsWith('\n') ? text : `${text}\n`);
        const starting = text.split('\n').map((line) => line.replace(/^[ \t\r]+/, ''));
        assert.deepEqual(
          lines,
          starting.filter((line) => line.startsWith('{'))
        );
      }),
      { numRuns: 2000 }
    );
  });

  it('may come byte by byte', () => {
    const bytes = [...Buffer.from('{"é":1}\nlog\n{"b":2}')].map((byte) => Buffer.from([byte]));
    assert.deepEqual(split(bytes), { log: '{"é":1}\nlog\n{"b":2}\n', lines: ['{"é":1}', '{"b":2}'] });
  });

  it("is the log's alone where a line is too long, its end included", () => {
    const long = `{"epoch":1,"x":"${'x'.repeat(maxLine)}`;
    const end = '{"epoch":2,"loss":1}';
    const chunks = [long.slice(0, 1000), long.slice(1000), end, '\n{"epoch":3}\n'];
    assert.deepEqual(split(chunks), { log: chunks.join(''), lines: ['{"epoch":3}'] });
    assert.deepEqual(split([`${long}${end}\n{"epoch":3}\n`]), { log: chunks.join(''), lines: ['{"epoch":3}'] });
    const longest = `{${' '.repeat(maxLine - 2)}}`;
    assert.deepEqual(split([longest, '\n']).lines, [longest]);
    assert.deepEqual(split([` ${longest}`, '\n']).lines, []);
  });

  it('is passed on before a line that is too long has ended', () => {
    let logged = 0;
    const splitter = new LineSplitter(
      (text) => (logged += text.length),
      () => assert.fail('no line of the protocol was said')
    );
    for (let i = 0; i < 100; i++) splitter.push(Buffer.alloc(100_000, '{'));
    assert.ok(logged > 8e6, `${logged} bytes`);
  });

  it('of somebody before is no beginning of a line of the protocol', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter(
      () => undefined,
      (line) => lines.push(line)
    );
    splitter.push(Buffer.from('{"epo'));
    splitter.flush();
    splitter.push(Buffer.from('ch":1}\n{"epoch":2}\n'));
    assert.deepEqual(lines, ['{"epoch":2}']);
  });

  it('has a tail of 20 lines', () => {
    const tail = new Tail();
    assert.equal(tail.text, '');
    for (let i = 1; i <= 50; i++) tail.push(Buffer.from(`line ${i}\n`));
    assert.deepEqual(
      tail.text.split('\n'),
      Array.from({ length: 20 }, (_, i) => `line ${31 + i}`)
    );
    tail.clear();
    tail.push(Buffer.from('one\rtwo\r\nthree'));
    assert.equal(tail.text, 'one\ntwo\nthree');
  });

  it('has a tail of 8 KiB, whose lines are cut', () => {
    const tail = new Tail();
    tail.push(Buffer.from(`${'x'.repeat(5000)}\nerror\n`));
    assert.equal(tail.text, `${'x'.repeat(1000)}...\nerror`);
    for (const chunk of ['y'.repeat(1e6), 'z\n'.repeat(1e5), `${'w'.repeat(700)}\n`.repeat(1000)]) {
      tail.push(Buffer.from(chunk));
      assert.ok(tail.text.length <= 8200 && tail.text.startsWith('...') === !chunk.startsWith('z'), chunk.slice(0, 9));
    }
  });
});
