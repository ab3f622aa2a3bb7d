/** The whole system as real processes on free ports, with a proxy on each way between them. */
import { join } from 'node:path';
import { migrateDatabase } from '../../db/migrate.ts';
import { dataFolder } from '../../cli/data-folder.ts';
import { startApi, startWorker } from '../../dev/processes/node-server.ts';
import { freePort } from '../../dev/ports.ts';
import { postgresUrl, startPostgres } from '../../dev/postgres/server.ts';
import type { ServerProcess, StartOptions } from '../../dev/processes/server-process.ts';
import { findTemporalCli, type TemporalCli } from '../../dev/temporal/cli.ts';
import { startTemporal } from '../../dev/temporal/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/folders/throwaway-folder.ts';
import { localSettings } from '../../settings.ts';
import { Part, type PartName } from './part.ts';
import { Proxy } from './proxy.ts';

export const TASK_QUEUE = 'orders';

/** The ways on which the worker and the API reach what they stand on. */
export type WayName = 'worker to PostgreSQL' | 'worker to Temporal' | 'API to PostgreSQL' | 'API to Temporal';

/** So that outages of a usual length raise attention marks, which have to be cleared again. */
const ATTENTION_AFTER = '8s';
/** So that who counts the shop's figures is killed at it, too. */
const STATS_EVERY = '5s';

export interface System {
  apiUrl: string;
  /** Past the proxies, as are all that follow: for checks. */
  databaseUrl: string;
  temporalAddress: string;
  temporalCli: TemporalCli;
  parts: Readonly<Record<PartName, Part>>;
  ways: Readonly<Record<WayName, Proxy>>;
}

export interface RunOptions {
  /** Milliseconds that an order waits to be paid. */
  paymentWindow: number;
  signal: AbortSignal;
  report: (line: string) => void;
}

/**
 * Starts everything, hands it to `use`, and stops everything, however that ended.
 * @param keep decides from the result whether the folder with data and logs stays, to be looked at. It does when `use` fails.
 */
export async function withSystem<T>(
  { paymentWindow, signal, report }: RunOptions,
  use: (system: System) => Promise<T>,
  keep: (result: T) => boolean,
): Promise<T> {
  const folder = await makeThrowawayFolder('holdfast-faults-');
  const ending = new AbortController();
  const started: { parts: Part[]; proxies: Proxy[] } = { parts: [], proxies: [] };
  let kept = false;
  try {
    const system = await startAll(folder, started, {
      paymentWindow,
      signal: AbortSignal.any([signal, ending.signal]),
      report,
    });
    const result = await use(system);
    kept = keep(result);
    return result;
  } catch (error) {
    kept = !signal.aborted;
    throw error;
  } finally {
    ending.abort();
    for (const part of started.parts.toReversed()) {
      await part
        .alone(() => part.stop())
        .catch((error: unknown) => report(`${part.name} could not be stopped: ${String(error)}`));
    }
    for (const proxy of started.proxies) proxy.close();
    if (kept) report(`Data and logs are in ${folder}.`);
    else await removeFolder(folder);
  }
}

async function startAll(
  folder: string,
  started: { parts: Part[]; proxies: Proxy[] },
  { paymentWindow, signal, report }: RunOptions,
): Promise<System> {
  const settings = localSettings(process.env);
  const { path } = dataFolder(settings.HOLDFAST_DATA);
  const temporalCli = await findTemporalCli({
    dataFolder: path,
    chosen: settings.TEMPORAL_CLI,
    report,
    signal,
  });
  report('Starting PostgreSQL, Temporal, the worker and the API.');
  // Chosen once: a process that is started again is found where it was.
  const ports = { postgres: await freePort(), temporal: await freePort(), api: await freePort() };
  const databaseUrl = postgresUrl(ports.postgres);
  const apiUrl = `http://127.0.0.1:${ports.api}`;

  const openProxy = async (port: number): Promise<Proxy> => {
    const proxy = await Proxy.open(port);
    started.proxies.push(proxy);
    return proxy;
  };
  const ways = {
    'worker to PostgreSQL': await openProxy(ports.postgres),
    'worker to Temporal': await openProxy(ports.temporal),
    'API to PostgreSQL': await openProxy(ports.postgres),
    'API to Temporal': await openProxy(ports.temporal),
  };
  const part = (name: PartName, launch: (options: StartOptions) => Promise<ServerProcess>): Part => {
    const made = new Part({ name, launch, signal, logFile: join(folder, `${name.toLowerCase()}.log`) });
    started.parts.push(made);
    return made;
  };
  const parts = {
    PostgreSQL: part('PostgreSQL', (options) =>
      startPostgres({
        ...options,
        dataFolder: join(folder, 'postgres'),
        port: ports.postgres,
        durable: true,
        report,
      }),
    ),
    Temporal: part('Temporal', (options) =>
      startTemporal({
        ...options,
        cli: temporalCli,
        port: ports.temporal,
        databaseFile: join(folder, 'temporal.db'),
      }),
    ),
    worker: part('worker', (options) =>
      startWorker({
        ...options,
        env: { ...environment(ways['worker to PostgreSQL'], ways['worker to Temporal']), STATS_EVERY },
      }),
    ),
    API: part('API', (options) =>
      startApi({
        ...options,
        address: apiUrl,
        env: {
          ...environment(ways['API to PostgreSQL'], ways['API to Temporal']),
          HOST: '127.0.0.1',
          PORT: String(ports.api),
          PAYMENT_WINDOW: `${paymentWindow}ms`,
          ATTENTION_AFTER,
        },
      }),
    ),
  };
  await parts.PostgreSQL.start();
  await parts.Temporal.start();
  await migrateDatabase(databaseUrl);
  await parts.worker.start();
  await parts.API.start();
  return {
    apiUrl,
    databaseUrl,
    temporalAddress: `127.0.0.1:${ports.temporal}`,
    temporalCli,
    parts,
    ways,
  };
}

function environment(toPostgres: Proxy, toTemporal: Proxy): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DATABASE_URL: postgresUrl(toPostgres.port),
    TEMPORAL_ADDRESS: `127.0.0.1:${toTemporal.port}`,
    TEMPORAL_NAMESPACE: 'default',
    TASK_QUEUE,
    LOG_LEVEL: 'info',
  };
}
