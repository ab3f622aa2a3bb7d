/** The whole system as real processes: on servers of its own, on free ports, and with nothing left running. */
import { join } from 'node:path';
import type { Credentials } from '../../api/client.ts';
import { migrateDatabase } from '../../db/migrate.ts';
import type { PayloadSettings } from '../../client/data-converter.ts';
import { makeDevelopmentKey } from '../../dev/development-key.ts';
import { freePort } from '../../dev/ports.ts';
import { postgresUrl } from '../../dev/postgres/server.ts';
import { startApi, startWorker } from '../../dev/processes/node-server.ts';
import { findTemporalCli, type TemporalCli } from '../../dev/temporal/cli.ts';
import { startTemporal } from '../../dev/temporal/server.ts';
import { localSettings, systemSettings } from '../../settings.ts';
import { startPostgresAt } from './own-postgres.ts';
import type { LabProcess } from './process.ts';
import { withProcesses, type Processes, type ProcessesOptions } from './processes.ts';

export const SERVER_NAMES = ['PostgreSQL', 'Temporal', 'worker', 'API'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

export const TASK_QUEUE = 'orders';

/** Ports of 127.0.0.1. */
export interface Ports {
  postgres: number;
  temporal: number;
}

export interface SystemOptions<T> extends ProcessesOptions<T> {
  /** Of the servers themselves; free ones by default. */
  ports?: Ports;
  /** Of the API itself; a free one by default. */
  apiPort?: number;
  /** Where the worker and the API reach them, when that is not directly. */
  routes?: Readonly<Record<'worker' | 'API', Ports>>;
  /** Over this process's environment. */
  settings: Readonly<Record<'worker' | 'API', NodeJS.ProcessEnv>>;
}

export interface System {
  apiUrl: string;
  /** May do everything at the API. */
  credentials: Credentials;
  /** This and Temporal's address lead to the servers themselves, whatever the routes. */
  databaseUrl: string;
  temporalAddress: string;
  /** What a client needs besides its address. */
  payloads: PayloadSettings;
  temporalCli: TemporalCli;
  servers: Readonly<Record<ServerName, LabProcess>>;
  /** What every process of the system must agree on. */
  environment: NodeJS.ProcessEnv;
  /** Starts more of them, and knows when the run ends. */
  processes: Processes;
}

/** Starts everything, calls `use`, and stops everything, however that ends. */
export function withSystem<T>(options: SystemOptions<T>, use: (system: System) => Promise<T>): Promise<T> {
  return withProcesses(options, async (processes) => use(await startSystem(processes, options)));
}

async function startSystem<T>(
  processes: Processes,
  { ports: chosen, apiPort, routes, settings, report }: SystemOptions<T>,
): Promise<System> {
  const { signal } = processes;
  const temporalCli = await findTemporalCli(localSettings(process.env), { report, signal });
  report('Starting PostgreSQL, Temporal, the worker and the API.');
  // Chosen once: a server that is started again is found where it was.
  const ports = chosen ?? (await choosePorts());
  const { worker: workerRoute, API: apiRoute } = routes ?? { worker: ports, API: ports };
  const { databaseUrl } = addressesAt(ports);
  const environment = environmentAt(ports);

  const PostgreSQL = await startPostgresAt(ports.postgres, processes, { report });
  const Temporal = await processes.start('Temporal', (options) =>
    startTemporal({
      ...options,
      cli: temporalCli,
      port: ports.temporal,
      databaseFile: join(processes.folder, 'temporal.db'),
    }),
  );
  await migrateDatabase(databaseUrl);
  const credentials = { key: await makeDevelopmentKey(databaseUrl) };
  const worker = await processes.start('worker', (options) =>
    startWorker({ ...options, env: { ...environmentAt(workerRoute), ...settings.worker } }),
  );
  const apiEnvironment = { ...environmentAt(apiRoute), ...settings.API };
  const { process: API, url: apiUrl } = await startApiIn(processes, 'API', apiEnvironment, apiPort);
  return {
    ...addressesAt(ports),
    apiUrl,
    credentials,
    payloads: payloadsOf(environment),
    temporalCli,
    servers: { PostgreSQL, Temporal, worker, API },
    environment,
    processes,
  };
}

/** Starts an API, on a free port by default. */
export async function startApiIn(
  processes: Processes,
  name: string,
  env: NodeJS.ProcessEnv,
  chosenPort?: number,
): Promise<{ process: LabProcess; url: string }> {
  const port = chosenPort ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const process = await processes.start(name, (options) =>
    startApi({ ...options, address: url, env: { ...env, HOST: '127.0.0.1', PORT: String(port) } }),
  );
  return { process, url };
}

export const choosePorts = async (): Promise<Ports> => ({
  postgres: await freePort(),
  temporal: await freePort(),
});

const addressesAt = ({ postgres, temporal }: Ports) => ({
  databaseUrl: postgresUrl(postgres),
  temporalAddress: `127.0.0.1:${temporal}`,
});

function payloadsOf(environment: NodeJS.ProcessEnv): PayloadSettings {
  const { TEMPORAL_NAMESPACE: namespace, PAYLOAD_KEYS: payloadKeys } = systemSettings(environment);
  return { namespace, payloadKeys };
}

/** Every setting that is not here is the environment's, so that a run can show what one is worth. */
function environmentAt(ports: Ports): NodeJS.ProcessEnv {
  const { databaseUrl, temporalAddress } = addressesAt(ports);
  return {
    ...process.env,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: 'default',
    TASK_QUEUE,
    // At this level the worker says that it is ready.
    LOG_LEVEL: 'info',
  };
}
