/** A PostgreSQL for one run, as durable as in production. */
import { join } from 'node:path';
import { migrateDatabase } from '../../db/migrate.ts';
import { freePort } from '../../dev/ports.ts';
import { postgresUrl, startPostgres } from '../../dev/postgres/server.ts';
import type { LabProcess } from './process.ts';
import { withProcesses, type Processes, type RunOptions } from './processes.ts';

export interface PostgresRunOptions extends RunOptions {
  /** Of the server, besides its own. */
  settings?: Readonly<Record<string, string>>;
}

/** Starts it alone and migrated, and calls `use` with its address and a signal that fires when the run ends. */
export function withPostgres<T>(
  { signal, report, settings = {} }: PostgresRunOptions,
  use: (url: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withProcesses({ prefix: 'holdfast-bench-', restarts: false, signal, report }, async (processes) => {
    report('Starting PostgreSQL.');
    const port = await freePort();
    await startPostgresAt(port, processes, { report, settings });
    await migrateDatabase(postgresUrl(port));
    return use(postgresUrl(port), processes.signal);
  });
}

export function startPostgresAt(
  port: number,
  processes: Processes,
  { report, settings = {} }: Pick<PostgresRunOptions, 'report' | 'settings'>,
): Promise<LabProcess> {
  const dataFolder = join(processes.folder, 'postgres');
  return processes.start('PostgreSQL', (options) =>
    startPostgres({ ...options, dataFolder, port, durable: true, report, settings }),
  );
}
