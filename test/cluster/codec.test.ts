import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { addCodecKey, dataConverter, keysVariable, readCodecKeys, type Reader } from '../../cluster/codec.js';
import { cli, runCommand } from '../harness.js';

interface Case {
  readonly plain: { readonly encoding: string; readonly data: string | null };
  readonly keyId: string;
  readonly data: string;
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/codec.json', import.meta.url), 'utf8')) as {
  readonly keys: { readonly current: string; readonly keys: Record<string, string> };
  readonly cases: readonly Case[];
};
const activity = { type: 'activity', namespace: 'default', isLocal: false } as const;
const workflow = { type: 'workflow', namespace: 'default', workflowId: 'everband/one' } as const;

describe('the payload codec', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'everband-codec-'));
  const file = path.join(folder, 'codec.json');
  const write = (keys: unknown, mode = 0o600): void => {
    rmSync(file, { force: true });
    writeFileSync(file, typeof keys === 'string' ? keys : JSON.stringify(keys), { mode });
    chmodSync(file, mode);
  };
  beforeEach(() => {
    process.env[keysVariable] = file;
    write(fixture.keys);
  });
  after(() => {
    delete process.env[keysVariable];
    rmSync(folder, { recursive: true });
  });

  function codec(reader: Reader = 'worker'): PayloadCodec {
    const [one] = dataConverter(reader).payloadCodecs ?? [];
    assert.ok(one);
    return one;
  }
  const sealed = ({ keyId, data }: Case): Payload => ({
    metadata: { encoding: Buffer.from('binary/encrypted'), 'encryption-key-id': Buffer.from(keyId) },
    data: Buffer.from(data, 'base64'),
  });
  const plain = (text: string): Payload => ({
    metadata: { encoding: Buffer.from('json/plain') },
    data: Buffer.from(text),
  });
  const text = ({ metadata, data }: Payload) => ({
    encoding: Buffer.from(metadata?.['encoding'] ?? []).toString(),
    data: Buffer.from(data ?? []).toString(),
  });
  async function refusal(payload: Payload): Promise<{ type: string; nonRetryable: boolean; message: string }> {
    try {
      await codec().decode([payload], activity);
    } catch (error) {
      return error as { type: string; nonRetryable: boolean; message: string };
    }
    throw new Error('it was read');
  }
  const [first, second] = fixture.cases as [Case, Case];

  it('reads what both languages are held to', async () => {
    for (const one of fixture.cases) {
      const [read] = await codec().decode([sealed(one)], activity);
      assert.ok(read);
      assert.deepEqual(text(read), { encoding: one.plain.encoding, data: one.plain.data ?? '' });
    }
  });

  it('encrypts with the current key and a nonce of its own, and reads it again', async () => {
    const [a, b] = (await codec().encode([plain('"secret"'), plain('"secret"')])) as [Payload, Payload];
    assert.equal(Buffer.from(a.metadata?.['encryption-key-id'] ?? []).toString(), 'k2');
    assert.equal(a.data?.[0], 1);
    assert.ok(!Buffer.from(a.data ?? []).includes('secret'));
    assert.notDeepEqual(a.data?.slice(1, 13), b.data?.slice(1, 13));
    assert.deepEqual((await codec().decode([a, b], workflow)).map(text), [
      text(plain('"secret"')),
      text(plain('"secret"')),
    ]);
  });

  it('refuses every byte that was changed, the key id too, and any that is missing', async () => {
    const { data } = sealed(second);
    assert.ok(data);
    for (let at = 1; at < data.length; at++) {
      const changed = Buffer.from(data);
      changed[at] = (changed[at] as number) ^ 1;
      const { type, nonRetryable, message } = await refusal({ ...sealed(second), data: changed });
      assert.deepEqual([type, nonRetryable], ['PayloadRefused', true]);
      assert.match(message, /names key k2 was not encrypted with it, or was changed since\. Fix: /);
    }
    for (const length of [1, 12, 28, data.length - 1])
      assert.equal((await refusal({ ...sealed(second), data: data.slice(0, length) })).type, 'PayloadRefused');
    const other = { ...sealed(first), metadata: sealed(second).metadata ?? {} };
    assert.match((await refusal(other)).message, /names key k2 was not encrypted with it/);
    // A key of the same bytes by another name: the name is authenticated.
    write({ current: 'k3', keys: { k3: fixture.keys.keys['k2'] } });
    const renamed = { ...sealed(second), metadata: sealed({ ...second, keyId: 'k3' }).metadata ?? {} };
    assert.equal((await refusal(renamed)).type, 'PayloadRefused');
  });

  it('refuses what is plain, and says so of a key and a format that it does not have: another worker may', async () => {
    const unencrypted = await refusal(plain('{"trial":"b3-t017"}'));
    assert.deepEqual([unencrypted.type, unencrypted.nonRetryable], ['PayloadRefused', true]);
    assert.match(
      unencrypted.message,
      /not encrypted \(its encoding is "json\/plain"\), and EVERBAND_CODEC_KEYS is set here/
    );
    const unknown = await refusal(sealed({ ...first, keyId: 'k9' }));
    assert.deepEqual([unknown.type, unknown.nonRetryable], ['PayloadUnread', false]);
    assert.equal(
      unknown.message,
      `a payload is encrypted with key "k9", and ${file} has k1, k2. Fix: add that key to the file, beside the others`
    );
    const newer = await refusal({ ...sealed(first), data: Buffer.from([2, 0]) });
    assert.deepEqual([newer.type, newer.nonRetryable], ['PayloadUnread', false]);
    assert.match(newer.message, /version 2 of the format, and this program reads 1/);
  });

  it('says, where it is off, which setting reads what is encrypted, and reads what is plain', async () => {
    delete process.env[keysVariable];
    const { type, message } = await refusal(sealed(first));
    assert.equal(type, 'PayloadUnread');
    assert.match(
      message,
      /encrypted \(key "k1"\), and EVERBAND_CODEC_KEYS is not set here\. Fix: set EVERBAND_CODEC_KEYS to/
    );
    assert.deepEqual(await codec().decode(await codec().encode([plain('1')]), activity), [plain('1')]);
    assert.equal(dataConverter('worker').failureConverterPath, undefined);
  });

  it('hands what a client cannot read on as such, so that a list still shows the others', async () => {
    const [read] = await codec('client').decode([plain('{"seed":1}')], workflow);
    assert.ok(read);
    assert.match(text(read).data, /^\{"everbandRefused":"a payload is not encrypted/);
    delete process.env[keysVariable];
    const [encrypted] = await codec('client').decode([sealed(first)], workflow);
    assert.ok(encrypted);
    assert.match(text(encrypted).data, /^\{"everbandRefused":"a payload is encrypted/);
  });

  it('takes up a new key without a restart, and keeps what it had while the file is of no use', async () => {
    const running = codec();
    const before = await running.encode([plain('1')]);
    assert.equal(addCodecKey(file).current, 'k3');
    const [after] = (await running.encode([plain('1')])) as [Payload];
    assert.equal(Buffer.from(after.metadata?.['encryption-key-id'] ?? []).toString(), 'k3');
    assert.deepEqual((await running.decode([...before, after], activity)).map(text), [
      text(plain('1')),
      text(plain('1')),
    ]);
    write('{"current":');
    assert.deepEqual((await running.decode([after], activity)).map(text), [text(plain('1'))]);
  });

  it('reads no file that others may read, and says what is wrong with one', () => {
    const wrong: readonly (readonly [given: unknown, mode: number, says: RegExp])[] = [
      [fixture.keys, 0o640, /may be read by others \(its mode is 640\)\. Fix: chmod 600 /],
      [fixture.keys, 0o604, /may be read by others \(its mode is 604\)\. Fix: chmod 600 /],
      ['{"current":', 0o600, /is not JSON\. Fix: write \{"current": "k1"/],
      ['null', 0o600, /has no "keys"/],
      [{ current: 'k1', keys: {} }, 0o600, /has no "keys"/],
      [
        { current: 'k1', keys: { k1: 'c2hvcnQ=' } },
        0o600,
        /has a key k1 that is not 32 bytes in base64\. Fix: `openssl/,
      ],
      [{ current: 'k1', keys: { 'k 1': fixture.keys.keys['k1'] } }, 0o600, /calls a key "k 1"/],
      [
        { ...fixture.keys, current: 'k7' },
        0o600,
        /names "k7" as "current", and has k1, k2\. Fix: name one of its keys/,
      ],
    ];
    for (const [given, mode, says] of wrong) {
      write(given, mode);
      assert.throws(() => readCodecKeys(file), says);
    }
    rmSync(file);
    assert.throws(() => readCodecKeys(file), /cannot be read \(ENOENT\)\. Fix: `everband codec new --file /);
  });

  it('has a command that makes the file and rotates its keys, and prints no key', async () => {
    rmSync(file);
    const env = { ...process.env };
    delete env[keysVariable];
    const made = await runCommand(cli, ['codec', 'new', '--file', file], { env });
    assert.equal(made.code, 0, made.err);
    assert.equal(
      made.out,
      `${file} encrypts with key k1 from now on, and has k1; set EVERBAND_CODEC_KEYS=${file} for every client and worker\n`
    );
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const rotated = await runCommand(cli, ['codec', 'new', '--json'], { env: process.env });
    assert.deepEqual(JSON.parse(rotated.out), { file, current: 'k2', keys: ['k1', 'k2'] });
    assert.equal(readCodecKeys(file).keys.size, 2);
    const nowhere = await runCommand(cli, ['codec', 'new'], { env });
    assert.equal(nowhere.code, 2);
    assert.equal(nowhere.err, 'no file is named. Fix: --file codec.json, or set EVERBAND_CODEC_KEYS.\n');
  });
});
