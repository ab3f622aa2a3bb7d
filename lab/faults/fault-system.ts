/** The system of a fault run: a server that ends is started again, and a proxy stands on each connection between processes. */
import type { Client } from '@temporalio/client';
import { connectTemporal } from '../../client/connection.ts';
import { openPostgres, type Sql } from '../../db/postgres.ts';
import type { ProcessesOptions } from '../harness/processes.ts';
import { RECEIVER_SETTINGS } from '../harness/receiver.ts';
import { choosePorts, withSystem, type System } from '../harness/system.ts';
import type { Target } from './faults.ts';
import { closeNetwork, openNetwork, routesThrough } from './network.ts';

/** Outages of a usual length then raise attention marks, which must be cleared again. */
const ATTENTION_AFTER = '8s';
/** The worker is then killed while it counts the shop's figures, too. */
const STATS_EVERY = '5s';
/** What a killed worker did not wake is found soon. */
const WEBHOOKS_EVERY = '5s';

/** The system, with connections for observing it. None of them passes a proxy. */
export interface FaultSystem extends System, Target {
  sql: Sql;
  client: Client;
}

export interface FaultSystemOptions<T> extends Required<
  Pick<ProcessesOptions<T>, 'signal' | 'report' | 'keepFolder'>
> {
  /** Milliseconds that an order waits for payment. */
  paymentWindow: number;
}

/** Starts it, calls `use`, and stops everything, however that ends. */
export async function withFaultSystem<T>(
  { paymentWindow, ...options }: FaultSystemOptions<T>,
  use: (system: FaultSystem) => Promise<T>,
): Promise<T> {
  const ports = await choosePorts();
  const network = await openNetwork(ports);
  const routes = routesThrough(network);
  const settings = {
    worker: { STATS_EVERY, WEBHOOKS_EVERY, ...RECEIVER_SETTINGS },
    API: { PAYMENT_WINDOW: `${paymentWindow}ms`, ATTENTION_AFTER, ...RECEIVER_SETTINGS },
  };
  try {
    return await withSystem(
      { ...options, prefix: 'holdfast-faults-', restarts: true, ports, routes, settings },
      (system) => withConnections({ ...system, network }, use),
    );
  } finally {
    closeNetwork(network);
  }
}

async function withConnections<T>(
  system: System & Target,
  use: (system: FaultSystem) => Promise<T>,
): Promise<T> {
  const sql = openPostgres(system.databaseUrl, { connections: 1 });
  const temporal = await connectTemporal({ address: system.temporalAddress, namespace: 'default' });
  try {
    return await use({ ...system, sql, client: temporal.client });
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), temporal.close()]);
  }
}
