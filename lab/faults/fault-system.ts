/** The system of a fault run: a server that ends is started again, and a proxy stands on each connection between processes. */
import type { Client } from '@temporalio/client';
import { connectTemporal } from '../../client/connection.ts';
import { openPostgres, type Sql } from '../../db/postgres.ts';
import { freePort } from '../../dev/ports.ts';
import type { ProcessesOptions } from '../harness/processes.ts';
import { providerSettings, startProvider, type LabProvider } from '../harness/provider.ts';
import { RECEIVER_SETTINGS } from '../harness/receiver.ts';
import { choosePorts, withSystem, type System } from '../harness/system.ts';
import type { Target } from './faults.ts';
import { closeNetwork, openNetwork, routesThrough, type ConnectionName, type Network } from './network.ts';

/** Outages of a usual length then raise attention marks, which must be cleared again. */
const ATTENTION_AFTER = '8s';
/** The worker is then killed while it counts the shop's figures, too. */
const STATS_EVERY = '5s';
/** What a killed worker did not wake is found soon. */
const WEBHOOKS_EVERY = '15s';
/** Short: an order whose payment is under way at its deadline ends within the run. */
const PAYMENT_EXTENSION = '10s';
/** Of a hundred calls to the provider, these go wrong, besides those that a payment's source sends wrong. */
const MISBEHAVE_PERCENT = 10;

/** The system, with connections for observing it. None of them passes a proxy. */
export interface FaultSystem extends Omit<System, 'servers'>, Target {
  provider: LabProvider;
  sql: Sql;
  client: Client;
}

export interface FaultSystemOptions<T> extends Required<
  Pick<ProcessesOptions<T>, 'signal' | 'report' | 'keepFolder'>
> {
  /** Milliseconds that an order waits for payment. */
  paymentWindow: number;
  /** Decides which calls to the provider go wrong. */
  seed: number;
}

/** Starts it, calls `use`, and stops everything, however that ends. */
export async function withFaultSystem<T>(
  { paymentWindow, seed, ...options }: FaultSystemOptions<T>,
  use: (system: FaultSystem) => Promise<T>,
): Promise<T> {
  const ports = await choosePorts();
  const apiPort = await freePort();
  const providerPort = await freePort();
  const network = await openNetwork({ ...ports, api: apiPort, provider: providerPort });
  const routes = routesThrough(network);
  const { worker, API } = providerSettings(addressOf(network, 'worker to provider'));
  const settings = {
    worker: { STATS_EVERY, WEBHOOKS_EVERY, ...RECEIVER_SETTINGS, ...worker },
    API: {
      PAYMENT_WINDOW: `${paymentWindow}ms`,
      PAYMENT_EXTENSION,
      ATTENTION_AFTER,
      ...RECEIVER_SETTINGS,
      ...API,
    },
  };
  try {
    return await withSystem(
      { ...options, prefix: 'holdfast-faults-', restarts: true, ports, apiPort, routes, settings },
      async (system) => {
        const provider = await startProvider(system.processes, {
          port: providerPort,
          notifyUrl: `${addressOf(network, 'provider to API')}/v1/payment-notifications`,
          misbehave: MISBEHAVE_PERCENT,
          seed,
        });
        const servers = { ...system.servers, provider: provider.process };
        return withConnections({ ...system, servers, network, provider }, use);
      },
    );
  } finally {
    closeNetwork(network);
  }
}

const addressOf = (network: Network, name: ConnectionName): string =>
  `http://127.0.0.1:${network[name].port}`;

async function withConnections<T>(
  system: Omit<FaultSystem, 'sql' | 'client'>,
  use: (system: FaultSystem) => Promise<T>,
): Promise<T> {
  const sql = openPostgres(system.databaseUrl, { connections: 1 });
  const temporal = await connectTemporal({ address: system.temporalAddress, ...system.payloads });
  try {
    return await use({ ...system, sql, client: temporal.client });
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), temporal.close()]);
  }
}
