/** Shows how far pools of connections are used. */
import type { PROCESS_METRICS, PoolName } from '../../domain/metrics.ts';
import type { Metrics } from '../../process/metrics.ts';
import type { DatabasePool } from '../connection.ts';

export function watchPool(
  metrics: Metrics<typeof PROCESS_METRICS>,
  pool: PoolName,
  database: Pick<DatabasePool, 'connections' | 'use'>,
): void {
  metrics.beforeAnswer(() => {
    const { inUse, waiting, refused } = database.use;
    metrics.set('holdfast_database_pool_connections', { pool }, database.connections);
    metrics.set('holdfast_database_pool_connections_in_use', { pool }, inUse);
    metrics.set('holdfast_database_pool_waiting', { pool }, waiting);
    metrics.set('holdfast_database_pool_refusals_total', { pool }, refused);
  });
}
