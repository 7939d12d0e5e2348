/** Which cluster is named by TEMPORAL_* or by a profile of Temporal's configuration file, as for every Temporal client. */
import type { ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { CliError } from './errors.js';

/** What clients and workers alike connect with. */
export interface ConnectionSettings {
  readonly address: string;
  readonly namespace: string;
  readonly tls?: NonNullable<ConnectionOptions['tls']>;
  readonly apiKey?: string;
  readonly metadata?: Record<string, string>;
}

interface NamedCluster {
  /** What names it, for messages. */
  readonly by: string;
  readonly settings: ConnectionSettings;
}

/** Null when nothing names a cluster: the embedded server is the one, then. @throws CliError when the configuration is broken */
export function namedCluster(): NamedCluster | null {
  const { connectionOptions, namespace } = readConfig();
  const { address, tls, apiKey, metadata } = connectionOptions;
  if (!address) return null;
  return {
    by: process.env['TEMPORAL_ADDRESS']
      ? 'TEMPORAL_ADDRESS'
      : `profile ${process.env['TEMPORAL_PROFILE'] ?? 'default'}`,
    settings: {
      address,
      namespace: namespace ?? 'default',
      // `false` says more than nothing: with an API key the SDK takes TLS for granted.
      ...(tls === undefined || tls === null ? {} : { tls }),
      ...(typeof apiKey === 'string' ? { apiKey } : {}),
      ...(metadata ? { metadata: metadata as Record<string, string> } : {}),
    },
  };
}

function readConfig(): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig();
  } catch (error) {
    throw new CliError(
      `Temporal's configuration cannot be read (${(error as Error).message}). Fix: correct TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE, TEMPORAL_TLS_* or the file itself.`,
      2
    );
  }
}
