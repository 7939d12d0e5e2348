/** Connections by Temporal's own conventions: TEMPORAL_* and profiles first, else the embedded server. */
import net from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { dataConverter } from './codec.js';
import { CliError } from './errors.js';
import { namedCluster, type ConnectionSettings } from './named.js';
import { embeddedServer } from './server.js';
import { stateDir } from './state.js';
import { tlsProblem } from './tls.js';

/** @throws CliError when nothing says where a server is */
export function connectionSettings(): ConnectionSettings {
  const named = namedCluster();
  if (named) return named.settings;
  const embedded = embeddedServer(stateDir());
  if (!embedded) throw new CliError('no Temporal server runs here. Fix: `everband server`, or set TEMPORAL_ADDRESS.');
  return { address: embedded.address, namespace: embedded.namespace };
}

/** Runs `use` with a client and closes it. @throws CliError with one line and its fix when the cluster refuses */
export async function withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const settings = connectionSettings();
  const { namespace, ...options } = settings;
  const converter = dataConverter('client');
  const named = namedCluster();
  const fix = named ? `start it, or correct ${named.by}` : '`everband server`';
  const unreachable = (reason: string) =>
    new CliError(`no Temporal server answers at ${options.address} (${reason}). Fix: ${fix}.`);
  if (await refusedHere(options.address)) throw unreachable('connection refused');
  // The embedded server is there, so that it will answer: on a busy machine it may take its time.
  const connectTimeout = named ? 5000 : 20_000;
  const connection = await Connection.connect({ ...options, connectTimeout }).catch(async (error: unknown) => {
    const reason = (error as Error).message.split('\n')[0] ?? 'no answer';
    const secure = await tlsProblem(settings);
    throw refusal(error, settings) ?? (secure === null ? unreachable(reason) : new CliError(secure));
  });
  try {
    return await use(new Client({ connection, namespace, dataConverter: converter }));
  } catch (error) {
    throw refusal(error, settings) ?? error;
  } finally {
    await connection.close();
  }
}

/** The run of a workflow that runs on another cluster, which our settings reach too; null: none, or nobody answers there. */
export async function runsAt(
  place: { address: string; namespace: string },
  workflowId: string
): Promise<string | null> {
  if (await refusedHere(place.address)) return null;
  const options = connectionSettings();
  let connection: Connection | null = null;
  try {
    connection = await Connection.connect({ ...options, address: place.address, connectTimeout: 5000 });
    const client = new Client({ connection, namespace: place.namespace, dataConverter: dataConverter('client') });
    const { status, runId } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING' ? runId : null;
  } catch {
    return null;
  } finally {
    await connection?.close();
  }
}

/** True when nothing listens on a port of this machine: gRPC would go on trying for seconds. */
async function refusedHere(address: string): Promise<boolean> {
  const [, host, port] = /^(127\.0\.0\.1|localhost):(\d+)$/.exec(address) ?? [];
  if (!host) return false;
  const socket = net.connect({ host, port: Number(port) });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
      socket.setTimeout(2000, () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

/** A gRPC status as what a user can do about it; null for everything else. */
function refusal(error: unknown, { address, namespace, apiKey, tls }: ConnectionSettings): CliError | null {
  if (error instanceof CliError) return null;
  switch (grpcCode(error)) {
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED': {
      const shown = typeof tls === 'object' && tls.clientCertPair !== undefined;
      return new CliError(
        apiKey !== undefined
          ? `${address} refuses access with this API key. Fix: correct TEMPORAL_API_KEY, or the api_key of the profile.`
          : `${address} refuses access without an API key${shown ? ', with this client certificate' : ''}. Fix: set TEMPORAL_API_KEY${shown ? '' : ', or TEMPORAL_TLS_* for mTLS'}.`
      );
    }
    case 'UNAVAILABLE':
      return new CliError(`the Temporal server at ${address} went away. Fix: \`everband server\`, then try again.`);
    case 'NOT_FOUND':
      return /namespace/i.test(text(error))
        ? new CliError(`${address} has no namespace ${namespace}. Fix: set TEMPORAL_NAMESPACE.`)
        : null;
    case null:
      return /namespace not found/i.test(text(error))
        ? new CliError(`${address} has no namespace ${namespace}. Fix: set TEMPORAL_NAMESPACE.`)
        : null;
    default:
      return null;
  }
}

const codes: Readonly<Record<number, string>> = {
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  7: 'PERMISSION_DENIED',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

/** Name of the gRPC status an error carries, itself or as its cause; null for another kind or status. */
export function grpcCode(error: unknown): string | null {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  const found = typeof code === 'number' ? code : cause?.code;
  return typeof found === 'number' ? (codes[found] ?? null) : null;
}

function text(error: unknown): string {
  const { message, cause } = error as Error & { cause?: unknown };
  return `${message} ${String(cause ?? '')}`;
}

/** Web UI page of a study; null when the cluster is not ours to know. */
export function webUi(workflowId: string): string | null {
  const embedded = namedCluster() ? null : embeddedServer(stateDir());
  return embedded?.uiUrl ? `${embedded.uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}` : null;
}
