/** Connections by Temporal's own conventions: TEMPORAL_* and profiles first, else the embedded server. */
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { CliError } from './errors.js';
import { serverInfo } from './server.js';
import { stateDir } from './state.js';

/** What clients and workers alike connect with. */
export interface ConnectionSettings {
  readonly address: string;
  readonly namespace: string;
  readonly tls?: NonNullable<ConnectionOptions['tls']>;
  readonly apiKey?: string;
}

/** @throws CliError when nothing says where a server is */
export async function connectionSettings(): Promise<ConnectionSettings> {
  const { connectionOptions: found, namespace } = loadClientConnectConfig();
  const { address, tls, apiKey } = found;
  const secrets = { ...(tls ? { tls } : {}), ...(typeof apiKey === 'string' ? { apiKey } : {}) };
  if (address) return { address, namespace: namespace ?? 'default', ...secrets };
  const embedded = await serverInfo(stateDir());
  if (!embedded) throw new CliError('no Temporal server runs here. Fix: `everband server`, or set TEMPORAL_ADDRESS.');
  return { address: embedded.address, namespace: embedded.namespace };
}

/** Runs `use` with a client and closes it. */
export async function withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const { namespace, ...options } = await connectionSettings();
  const connection = await Connection.connect({ ...options, connectTimeout: 5000 }).catch((error: unknown) => {
    const reason = (error as Error).message.split('\n')[0];
    throw new CliError(
      `no Temporal server answers at ${options.address} (${reason}). Fix: \`everband server\`, or correct TEMPORAL_ADDRESS.`
    );
  });
  try {
    return await use(new Client({ connection, namespace }));
  } finally {
    await connection.close();
  }
}

/** Web UI page of a study; null when the cluster is not ours to know. */
export async function webUi(workflowId: string): Promise<string | null> {
  const embedded = process.env['TEMPORAL_ADDRESS'] ? null : await serverInfo(stateDir());
  return embedded?.uiUrl ? `${embedded.uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}` : null;
}
