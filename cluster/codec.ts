/**
 * Payloads that only holders of a key can read. A server keeps and shows what studies are made of: with EVERBAND_CODEC_KEYS
 * every client and worker encrypts it before it leaves the process. The wire is the same as in python/everband/codec.py, and
 * both are held to test/fixtures/codec.json: docs/codec.md.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import {
  ApplicationFailure,
  type DataConverter,
  type Payload,
  type ProtoFailure,
  type PayloadCodec,
  type SerializationContext,
} from '@temporalio/common';
import proto from '@temporalio/proto';
import { failureTypes, refusalIn, refusedKey } from '../workflows/messages.js';
import { CliError } from './errors.js';

const { Payload: PayloadProto } = proto.temporal.api.common.v1;

/** Names the file of keys; nothing is encrypted where it is not set. */
export const keysVariable = 'EVERBAND_CODEC_KEYS';

const encoding = 'binary/encrypted';
const wireVersion = 1;
const nonceBytes = 12;
const tagBytes = 16;
const keyBytes = 32;
const keyId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What a file of keys holds. */
export interface CodecKeys {
  readonly current: string;
  readonly keys: ReadonlyMap<string, Buffer>;
}

/** The file that the setting names; null where nothing is encrypted. */
export function codecFile(): string | null {
  const named = process.env[keysVariable];
  return named ? path.resolve(named) : null;
}

/** @throws CliError when the file is missing, readable for others, or no file of keys */
export function readCodecKeys(file: string): CodecKeys {
  const wrong = (what: string, fix: string): CliError =>
    new CliError(`${keysVariable}: ${file} ${what}. Fix: ${fix}.`, 2);
  let text: string;
  try {
    const mode = statSync(file).mode & 0o777;
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw wrong(`may be read by others (its mode is ${mode.toString(8)})`, `chmod 600 ${file}`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw wrong(
      `cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      `\`everband codec new --file ${file}\`, or name the file that the other workers have`
    );
  }
  const example = '{"current": "k1", "keys": {"k1": "<32 bytes in base64>"}}';
  let read: { current?: unknown; keys?: unknown } | null;
  try {
    read = JSON.parse(text) as typeof read;
  } catch {
    throw wrong('is not JSON', `write ${example}`);
  }
  const { current, keys } = read ?? {};
  if (typeof keys !== 'object' || keys === null || Array.isArray(keys) || Object.keys(keys).length === 0)
    throw wrong('has no "keys"', `write ${example}`);
  const found = new Map<string, Buffer>();
  for (const [id, given] of Object.entries(keys)) {
    if (!keyId.test(id))
      throw wrong(`calls a key ${JSON.stringify(id)}`, 'a key id has at most 64 letters, digits, ".", "_" and "-"');
    const key = typeof given === 'string' ? Buffer.from(given, 'base64') : Buffer.alloc(0);
    // Never the value itself: it may be a key with a slip of the pen.
    if (key.length !== keyBytes || key.toString('base64') !== given)
      throw wrong(`has a key ${id} that is not ${keyBytes} bytes in base64`, `\`openssl rand -base64 32\` makes one`);
    found.set(id, key);
  }
  if (typeof current !== 'string' || !found.has(current))
    throw wrong(
      `names ${JSON.stringify(current)} as "current", and has ${[...found.keys()].join(', ')}`,
      'name one of its keys'
    );
  return { current, keys: found };
}

/** Adds a fresh key to a file of keys, or makes the file, and encrypts with it from now on. */
export function addCodecKey(file: string): CodecKeys {
  const before = existsSync(file) ? readCodecKeys(file) : null;
  const keys = new Map(before?.keys);
  let number = keys.size + 1;
  while (keys.has(`k${number}`)) number++;
  const current = `k${number}`;
  keys.set(current, randomBytes(keyBytes));
  const encoded = Object.fromEntries([...keys].map(([id, key]) => [id, key.toString('base64')]));
  const made = `${file}.${process.pid}.tmp`;
  writeFileSync(made, `${JSON.stringify({ current, keys: encoded }, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // Two that make the file at the same time must not lose each other's key.
    if (before) renameSync(made, file);
    else linkSync(made, file);
  } finally {
    rmSync(made, { force: true });
  }
  return { current, keys };
}

/** Who reads: what a payload that is refused comes to differs. */
export type Reader = 'client' | 'worker';

/** What every client and worker is made with. @throws CliError when the setting names no file of keys */
export function dataConverter(reader: Reader): DataConverter {
  const file = codecFile();
  if (file === null) return { payloadCodecs: [new PlainCodec(reader)] };
  return {
    payloadCodecs: [new EncryptingCodec(file, reader)],
    failureConverterPath: sibling('failure-converter'),
  };
}

/** The value of a payload of this workflow as the server has it. */
export async function valueOf(client: Client, workflowId: string, payload: Payload): Promise<unknown> {
  const { payloadConverter, payloadCodecs } = client.options.loadedDataConverter;
  const context = { type: 'workflow', namespace: client.options.namespace, workflowId } as const;
  let read = [payload];
  for (const codec of payloadCodecs) read = await codec.decode(read, context);
  return payloadConverter.fromPayload(read[0] ?? payload);
}

/** The message of a failure as the server has it: where failures are encoded, theirs is the same for all. */
export async function messageOf(client: Client, workflowId: string, failure: ProtoFailure): Promise<string> {
  const own = failure.message ?? '';
  if (!failure.encodedAttributes) return own;
  const told = (await valueOf(client, workflowId, failure.encodedAttributes)) as { message?: unknown } | null;
  return typeof told?.message === 'string' ? told.message : own;
}

/** A value that a workflow answered. @throws CliError when it could not be read */
export function readable<T>(value: T): T {
  const refusal = refusalIn(value);
  if (refusal !== null) throw new CliError(`the answer cannot be read: ${refusal}`);
  return value;
}

/** This module may be built or not. */
function sibling(name: string): string {
  const files = ['js', 'ts'].map((ending) => fileURLToPath(new URL(`./${name}.${ending}`, import.meta.url)));
  return files.find((file) => existsSync(file)) ?? (files[0] as string);
}

/** A payload that cannot be read here. `final`: nobody ever can; else another process may, or this one with other settings. */
class Unreadable extends Error {
  constructor(
    message: string,
    readonly final: boolean
  ) {
    super(message);
  }
}

abstract class Codec implements PayloadCodec {
  constructor(private readonly reader: Reader) {}

  abstract encode(payloads: Payload[]): Promise<Payload[]>;

  /** @throws Unreadable */
  protected abstract open(payload: Payload): Payload;

  decode(payloads: Payload[], context?: SerializationContext): Promise<Payload[]> {
    return Promise.resolve(payloads.map((payload) => this.read(payload, context)));
  }

  private read(payload: Payload, context: SerializationContext | undefined): Payload {
    try {
      return this.open(payload);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      // A list has payloads of many studies, and one that cannot be read must not hide the others. And what a stranger sends
      // to a workflow is to be refused there: an error here would be its workflow task's, again and again.
      if (context?.type === 'workflow' && (this.reader === 'client' || error.final)) return refused(error.message);
      const type = error.final ? failureTypes.payloadRefused : failureTypes.payloadUnread;
      throw ApplicationFailure.create({ message: error.message, type, nonRetryable: error.final });
    }
  }
}

/** Without keys: what is plain is read as it is, and what is encrypted is said to be. */
class PlainCodec extends Codec {
  encode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.resolve(payloads);
  }

  protected open(payload: Payload): Payload {
    const found = metadata(payload, 'encoding');
    if (found !== encoding) {
      // What nobody can make sense of would be the failure of a workflow's task, again and again.
      if (isSound(payload, found)) return payload;
      throw new Unreadable(`a payload is malformed (its encoding is ${shown(found)})`, true);
    }
    throw new Unreadable(
      `a payload is encrypted (key ${shown(metadata(payload, 'encryption-key-id'))}), and ${keysVariable} is not set here. ` +
        `Fix: set ${keysVariable} to the file of keys that the other clients and workers have`,
      false
    );
  }
}

/** AES-256-GCM. Reads its file again when that changes, so that keys are rotated without a restart. */
class EncryptingCodec extends Codec {
  private known: CodecKeys;
  private version: string;

  constructor(
    private readonly file: string,
    reader: Reader
  ) {
    super(reader);
    this.version = this.versionOf();
    this.known = readCodecKeys(file);
  }

  encode(payloads: Payload[]): Promise<Payload[]> {
    const { current, keys } = this.keys;
    const key = keys.get(current) as Buffer;
    return Promise.resolve(payloads.map((payload) => seal(payload, current, key, randomBytes(nonceBytes))));
  }

  protected open(payload: Payload): Payload {
    const found = metadata(payload, 'encoding');
    if (found !== encoding) {
      throw new Unreadable(
        `a payload is not encrypted (its encoding is ${shown(found)}), and ${keysVariable} is set here: plain payloads are refused. ` +
          `Fix: set ${keysVariable} for every client and worker; a study that was started without it needs workers without it`,
        true
      );
    }
    const id = metadata(payload, 'encryption-key-id');
    const { keys } = this.keys;
    const key = keys.get(id ?? '');
    if (id === null || key === undefined) {
      throw new Unreadable(
        `a payload is encrypted with key ${shown(id)}, and ${this.file} has ${[...keys.keys()].join(', ')}. ` +
          `Fix: add that key to the file, beside the others`,
        false
      );
    }
    return unseal(payload, id, key);
  }

  private get keys(): CodecKeys {
    const version = this.versionOf();
    if (version !== this.version) {
      try {
        this.known = readCodecKeys(this.file);
        this.version = version;
      } catch {
        // Half written, or gone for a moment: what was read last still holds.
      }
    }
    return this.known;
  }

  private versionOf(): string {
    try {
      const { mtimeMs, ino, size } = statSync(this.file);
      return `${mtimeMs} ${ino} ${size}`;
    } catch {
      return 'gone';
    }
  }
}

/** The key's id is authenticated too: whoever changes it changes nothing but what cannot be read. */
function associated(id: string): Buffer {
  return Buffer.from(`everband payload ${wireVersion} ${id}`);
}

function seal(payload: Payload, id: string, key: Buffer, nonce: Buffer): Payload {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(associated(id));
  const plain = PayloadProto.encode(payload).finish();
  return {
    metadata: { encoding: Buffer.from(encoding), 'encryption-key-id': Buffer.from(id) },
    data: Buffer.concat([Buffer.from([wireVersion]), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]),
  };
}

function unseal(payload: Payload, id: string, key: Buffer): Payload {
  const data = Buffer.from(payload.data ?? []);
  if (data[0] !== wireVersion)
    throw new Unreadable(
      `a payload is encrypted in version ${data[0] ?? 'none'} of the format, and this program reads ${wireVersion}. ` +
        'Fix: update the older of the two',
      false
    );
  try {
    const nonce = data.subarray(1, 1 + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(associated(id)).setAuthTag(data.subarray(data.length - tagBytes));
    const sealed = data.subarray(1 + nonceBytes, data.length - tagBytes);
    return PayloadProto.decode(Buffer.concat([decipher.update(sealed), decipher.final()]));
  } catch {
    throw new Unreadable(
      `a payload that names key ${id} was not encrypted with it, or was changed since. ` +
        `Fix: give every client and worker the same key ${id}; a payload that was changed is lost`,
      true
    );
  }
}

const plainEncodings = new Set(['binary/null', 'binary/plain', 'json/protobuf', 'binary/protobuf']);

function isSound(payload: Payload, found: string | null): boolean {
  if (found !== 'json/plain') return found !== null && plainEncodings.has(found);
  try {
    JSON.parse(Buffer.from(payload.data ?? []).toString());
    return true;
  } catch {
    return false;
  }
}

function metadata(payload: Payload, name: string): string | null {
  const value = payload.metadata?.[name];
  return value ? Buffer.from(value).toString() : null;
}

/** A stranger's text, in one line. */
function shown(text: string | null): string {
  return text === null ? 'none' : JSON.stringify(text.slice(0, 80));
}

/** Stands for a payload that was refused; `message` makes it a failure's text where it was one. */
function refused(message: string): Payload {
  return {
    metadata: { encoding: Buffer.from('json/plain') },
    data: Buffer.from(JSON.stringify({ [refusedKey]: message, message })),
  };
}
