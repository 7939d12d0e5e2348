/** X.509 certificates for tests, made with what Node has: an authority, and what it signs for servers and clients. */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  readonly name: string;
}

export function authority(name: string): Authority {
  const { publicKey, privateKey } = keyPair();
  return { name, ...made({ subject: name, issuer: name, publicKey, privateKey, signer: privateKey, names: null }) };
}

/** For a server at `names` and at 127.0.0.1, or for a client. */
export function signedBy(issuer: Authority, subject: string, names: readonly string[] = ['localhost']): Certificate {
  const signer = createPrivateKey(issuer.key);
  return made({ subject, issuer: issuer.name, ...keyPair(), signer, names });
}

interface Contents {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly signer: KeyObject;
  /** Null for an authority. */
  readonly names: readonly string[] | null;
}

const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const hour = 3_600_000;

function made({ subject, issuer, publicKey, privateKey, signer, names }: Contents): Certificate {
  const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)); // ecdsa-with-SHA256
  const now = Date.now();
  const extensions =
    names === null
      ? [extension(oid(0x55, 0x1d, 0x13), sequence(der(0x01, Buffer.from([0xff])))), keyUsage(0x06)] // cA; keyCertSign, cRLSign
      : [
          extension(oid(0x55, 0x1d, 0x13), sequence()),
          keyUsage(0x80), // digitalSignature
          extension(
            oid(0x55, 0x1d, 0x11), // subjectAltName
            sequence(...names.map((name) => der(0x82, Buffer.from(name))), der(0x87, Buffer.from([127, 0, 0, 1])))
          ),
        ];
  const contents = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    named(issuer),
    sequence(time(now - hour), time(now + 24 * hour)),
    named(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions))
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', contents, signer));
  const body = sequence(contents, algorithm, signature).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
const integer = (bytes: Buffer) => der(0x02, bytes);
const oid = (...bytes: readonly number[]) => der(0x06, Buffer.from(bytes));
const extension = (id: Buffer, value: Buffer) => sequence(id, der(0x01, Buffer.from([0xff])), der(0x04, value));
const keyUsage = (bits: number) => extension(oid(0x55, 0x1d, 0x0f), der(0x03, Buffer.from([0, bits])));
/** A distinguished name with a common name alone. */
const named = (name: string) => sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(name)))));
/** UTCTime, `YYMMDDhhmmssZ`. */
const time = (ms: number) =>
  der(
    0x17,
    Buffer.from(
      `${new Date(ms)
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(2)}`
    )
  );
