/** The network between the processes: a proxy on each connection of the worker, the API and the payment provider. */
import { Proxy } from '../harness/proxy.ts';
import type { Ports, SystemOptions } from '../harness/system.ts';

export const CONNECTIONS = [
  'worker to PostgreSQL',
  'worker to Temporal',
  'API to PostgreSQL',
  'API to Temporal',
  'worker to provider',
  'provider to API',
] as const;
export type ConnectionName = (typeof CONNECTIONS)[number];

export type Network = Readonly<Record<ConnectionName, Proxy>>;

/** @param servers their ports; they need not run yet. */
export const openNetwork = async ({
  postgres,
  temporal,
  api,
  provider,
}: Ports & { api: number; provider: number }): Promise<Network> => ({
  'worker to PostgreSQL': await Proxy.open(postgres),
  'worker to Temporal': await Proxy.open(temporal),
  'API to PostgreSQL': await Proxy.open(postgres),
  'API to Temporal': await Proxy.open(temporal),
  'worker to provider': await Proxy.open(provider),
  'provider to API': await Proxy.open(api),
});

export const routesThrough = (network: Network): NonNullable<SystemOptions<unknown>['routes']> => ({
  worker: { postgres: network['worker to PostgreSQL'].port, temporal: network['worker to Temporal'].port },
  API: { postgres: network['API to PostgreSQL'].port, temporal: network['API to Temporal'].port },
});

export function closeNetwork(network: Network): void {
  for (const name of CONNECTIONS) network[name].close();
}
