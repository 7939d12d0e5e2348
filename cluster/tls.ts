/** Why a TLS connection does not come about: gRPC says no more than that its deadline has passed. */
import { once } from 'node:events';
import tls from 'node:tls';
import type { ConnectionSettings } from './named.js';

const clientCertificate = 'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH';
const patience = 3000;

/** One line with its fix; null where TLS is not the reason. */
export async function tlsProblem({ address, tls: settings }: ConnectionSettings): Promise<string | null> {
  const { host, port } = placeOf(address);
  if (port === 0) return null;
  const given = typeof settings === 'object' ? settings : {};
  const pair = given.clientCertPair;
  let context: tls.SecureContext;
  try {
    context = tls.createSecureContext({
      ...(given.serverRootCACertificate ? { ca: Buffer.from(given.serverRootCACertificate) } : {}),
      ...(pair ? { cert: Buffer.from(pair.crt), key: Buffer.from(pair.key) } : {}),
    });
  } catch (error) {
    return `a certificate or key for ${address} cannot be read (${(error as Error).message}). Fix: correct TEMPORAL_TLS_*, or the profile.`;
  }
  const name = given.serverNameOverride ?? host;
  const code = await outcome({
    ...{ host, port, secureContext: context, ALPNProtocols: ['h2'] },
    ...(/^[\d.]+$|:/.test(name) ? {} : { servername: name }),
    // Without TLS settings there is only one question: does it speak TLS?
    ...(settings ? {} : { rejectUnauthorized: false }),
  });
  if (!settings) {
    if (!code.startsWith('secure')) return null;
    return `${address} speaks TLS alone. Fix: set TEMPORAL_TLS=true, or ${clientCertificate}, or TEMPORAL_API_KEY.`;
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return `${address} does not speak TLS. Fix: set TEMPORAL_TLS=false, or correct TEMPORAL_ADDRESS.`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the certificate of ${address} is for other names than ${name}. Fix: set TEMPORAL_TLS_SERVER_NAME to one that it has.`;
  if (/^(secure )?ERR_SSL_.*ALERT|^secure closed|^secure ECONNRESET/.test(code)) {
    return pair
      ? `${address} does not accept the client certificate. Fix: set ${clientCertificate} to one that it knows.`
      : `${address} takes no connection without a client certificate. Fix: set ${clientCertificate}.`;
  }
  if (/CERT|SIGNED|ISSUER|SIGNATURE/.test(code))
    return `the certificate of ${address} is not trusted here (${code}). Fix: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to its authority's.`;
  return null;
}

/** What the attempt came to: the code of its error, `closed`, `silence` or `data`, after `secure` where a handshake was. */
async function outcome(options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect(options);
  let secure = '';
  try {
    return await new Promise<string>((resolve) => {
      socket.once('secureConnect', () => (secure = 'secure '));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(secure + (error.code ?? error.message)));
      socket.once('close', () => resolve(`${secure}closed`));
      socket.once('data', () => resolve(`${secure}data`));
      socket.setTimeout(patience, () => resolve(`${secure}silence`));
    });
  } finally {
    socket.destroy();
    if (!socket.closed) await once(socket, 'close').catch(() => undefined);
  }
}

function placeOf(address: string): { host: string; port: number } {
  const [, host = '', port = '0'] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(address) ?? [];
  return { host, port: Number(port) };
}
