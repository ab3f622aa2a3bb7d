/** The whole system on servers of its own: free ports, a folder that is thrown away, and nothing left running. */
import { join } from 'node:path';
import { migrateDatabase } from '../../db/migrate.ts';
import { dataFolder } from '../../cli/data-folder.ts';
import { startApiAnywhere, startWorker } from '../../dev/processes/node-server.ts';
import { startPostgres } from '../../dev/postgres/server.ts';
import { findTemporalCli, type TemporalCli } from '../../dev/temporal/cli.ts';
import { startTemporal } from '../../dev/temporal/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/folders/throwaway-folder.ts';
import { localSettings } from '../../settings.ts';
import type { BenchmarkOptions } from '../bench/benchmark.ts';
import { startNothingWorker } from '../bench/orders/nothing-server.ts';
import { Running } from './running.ts';

/** The task queue of the workflow that does nothing. */
export const NOTHING_QUEUE = 'nothing';

export interface System {
  databaseUrl: string;
  temporalAddress: string;
  temporalCli: TemporalCli;
  apiUrl: string;
  /** Process ids. */
  processes: Readonly<Record<'temporal' | 'postgres' | 'worker' | 'nothingWorker' | 'api', number>>;
}

/** Resolves with the address of one more API on the same servers. */
export type StartAnotherApi = () => Promise<string>;

/**
 * Starts everything, hands it to `use`, and stops everything, however that ended.
 * @param use gets a signal that also fires when one of the processes ends by itself.
 */
export async function withSystem<T>(
  { signal, report }: Pick<BenchmarkOptions, 'signal' | 'report'>,
  use: (system: System, signal: AbortSignal, startAnotherApi: StartAnotherApi) => Promise<T>,
): Promise<T> {
  const folder = await makeThrowawayFolder('holdfast-bench-');
  const running = new Running(folder, signal);
  try {
    report('Starting PostgreSQL, Temporal, the workers and the API.');
    const system = await startAll(running, folder, report);
    const env = environmentOf(system.databaseUrl, system.temporalAddress);
    return await use(system, running.signal, async () => (await addApi(running, 'second-api', env)).address);
  } catch (error) {
    if (!signal.aborted) report(running.lastWords());
    // Why it was cut short says more than what failed because of that.
    throw running.signal.aborted ? running.signal.reason : error;
  } finally {
    await running.stop(report);
    await removeFolder(folder);
  }
}

async function startAll(running: Running, folder: string, report: (line: string) => void): Promise<System> {
  const { signal } = running;
  const settings = localSettings(process.env);
  const { path } = dataFolder(settings.HOLDFAST_DATA);
  const cli = await findTemporalCli({ dataFolder: path, chosen: settings.TEMPORAL_CLI, report, signal });

  const postgres = await running.add('postgres', (options) =>
    startPostgres({ ...options, dataFolder: join(folder, 'postgres'), port: 0, durable: true, report }),
  );
  const temporal = await running.add('temporal', (options) =>
    startTemporal({ ...options, cli, port: 0, databaseFile: join(folder, 'temporal.db') }),
  );
  await migrateDatabase(postgres.url);

  const env = environmentOf(postgres.url, temporal.address);
  const worker = await running.add('worker', (options) => startWorker({ ...options, env }));
  const nothingWorker = await running.add('nothing-worker', (options) =>
    startNothingWorker({ ...options, env: { ...env, TASK_QUEUE: NOTHING_QUEUE } }),
  );
  const api = await addApi(running, 'api', env);
  return {
    databaseUrl: postgres.url,
    temporalAddress: temporal.address,
    temporalCli: cli,
    apiUrl: api.address,
    processes: {
      temporal: temporal.pid,
      postgres: postgres.pid,
      worker: worker.pid,
      nothingWorker: nothingWorker.pid,
      api: api.pid,
    },
  };
}

function addApi(running: Running, name: string, env: NodeJS.ProcessEnv) {
  return running.add(name, async (options) => {
    const { server, address } = await startApiAnywhere({ ...options, env });
    return { ...server, address };
  });
}

const environmentOf = (databaseUrl: string, temporalAddress: string): NodeJS.ProcessEnv => ({
  ...process.env,
  ...ownSettings(databaseUrl, temporalAddress),
});

/** What a run needs as it is here. Every other setting is the environment's, so that a run can show what one is worth. */
function ownSettings(databaseUrl: string, temporalAddress: string): NodeJS.ProcessEnv {
  return {
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: 'default',
    TASK_QUEUE: 'orders',
    PAYMENT_WINDOW: '15m',
  };
}
