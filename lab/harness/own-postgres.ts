/** A PostgreSQL for one run: migrated, durable as in production, on a free port and in a folder that is thrown away. */
import { join } from 'node:path';
import { migrateDatabase } from '../../db/migrate.ts';
import { startPostgres } from '../../dev/postgres/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../dev/folders/throwaway-folder.ts';
import type { BenchmarkOptions } from '../bench/benchmark.ts';
import { Running } from './running.ts';

/**
 * Starts it, hands its address to `use`, and stops it, however that ended.
 * @param use gets a signal that also fires when PostgreSQL ends by itself.
 */
export async function withPostgres<T>(
  { signal, report }: Pick<BenchmarkOptions, 'signal' | 'report'>,
  use: (url: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const folder = await makeThrowawayFolder('holdfast-bench-');
  const running = new Running(folder, signal);
  try {
    report('Starting PostgreSQL.');
    const { url } = await running.add('postgres', (options) =>
      startPostgres({ ...options, dataFolder: join(folder, 'postgres'), port: 0, durable: true, report }),
    );
    await migrateDatabase(url);
    return await use(url, running.signal);
  } catch (error) {
    if (!signal.aborted) report(running.lastWords());
    // Why it was cut short says more than what failed because of that.
    throw running.signal.aborted ? running.signal.reason : error;
  } finally {
    await running.stop(report);
    await removeFolder(folder);
  }
}
