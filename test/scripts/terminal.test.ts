import assert from 'node:assert/strict';
import pc from 'picocolors';
import { harmless, harmlessInColour, table } from '../../scripts/terminal.js';

describe('text for a terminal', () => {
  const { red, bold, dim, yellow, green } = pc.createColors(true);

  it('shows what the terminal would obey, and keeps lines and tabs', () => {
    const said = '\x1b]0;title\x07\x1b[2Jgone\x9b1A\b\x7f\u202eback\u2028\ttab\nline\r\nline\rline';
    const shown =
      '\\u001b]0;title\\u0007\\u001b[2Jgone\\u009b1A\\u0008\\u007f\\u202eback\\u2028\ttab\nline\nline\nline';
    assert.equal(harmless(said), shown);
    assert.equal(harmless('é 漢字 😀'), 'é 漢字 😀');
  });

  it('leaves JSON what it was', () => {
    const value = { text: '\x1b\x9b\u202e\x7f\r\n\t"\\' };
    const json = harmless(JSON.stringify(value));
    assert.deepEqual(JSON.parse(json), value);
    assert.doesNotMatch(json, /[^ -~]/);
  });

  it('keeps the colours of the command alone', () => {
    const own = [red, bold, dim, yellow, green].map((paint) => paint('a')).join('');
    assert.equal(harmlessInColour(own), own);
    assert.equal(harmlessInColour('\x1b[8m\x1b[2A'), '\\u001b[8m\\u001b[2A');
  });

  it('has no more lines in a table than there are rows', () => {
    assert.equal(table(['a', 'b'], [['x\ny', '\x1b[2J']]).split('\n').length, 2);
  });
});
