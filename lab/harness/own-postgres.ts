/** A PostgreSQL for one run, as durable as in production. */
import { join } from 'node:path';
import { migrateDatabase } from '../../db/migrate.ts';
import { freePort } from '../../dev/ports.ts';
import { postgresUrl, startPostgres } from '../../dev/postgres/server.ts';
import type { LabProcess } from './process.ts';
import { withProcesses, type Processes, type RunOptions } from './processes.ts';

/** Starts it alone and migrated, and calls `use` with its address and a signal that fires when the run ends. */
export function withPostgres<T>(
  { signal, report }: RunOptions,
  use: (url: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withProcesses({ prefix: 'holdfast-bench-', restarts: false, signal, report }, async (processes) => {
    report('Starting PostgreSQL.');
    const port = await freePort();
    await startPostgresAt(port, processes, report);
    await migrateDatabase(postgresUrl(port));
    return use(postgresUrl(port), processes.signal);
  });
}

export function startPostgresAt(
  port: number,
  processes: Processes,
  report: RunOptions['report'],
): Promise<LabProcess> {
  const dataFolder = join(processes.folder, 'postgres');
  return processes.start('PostgreSQL', (options) =>
    startPostgres({ ...options, dataFolder, port, durable: true, report }),
  );
}
