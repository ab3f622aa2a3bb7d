/** Reads what PostgreSQL counts about itself, for the metrics of the installation. Each of these is a view of shared memory, but for sizes. */
import type { Database } from '../database.ts';
import type { Reading } from './installation.ts';

/** Sessions of all databases, as they share one limit; transactions, blocks and rows of this one. */
export async function readServer(database: Database): Promise<Reading[]> {
  const readings = await database.run(
    ({ sql }) => sql<Reading[]>`
      with session as (
        -- The running role sees of a session which database and user it has, and not what it does. What cleans up has no user.
        select case when datname = current_database() then 'this' else 'other' end as database
        from pg_stat_activity
        where datid is not null and usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend'
      ),
      counted as (
        select * from pg_stat_database where datname = current_database()
      )
      select 'holdfast_postgres_sessions' as metric, database as label, count(*)::double precision as value from session group by database
      union all
      select 'holdfast_postgres_sessions_limit', null, current_setting('max_connections')::integer
      union all
      -- A wait for another transaction names no database: the session that waits does.
      select 'holdfast_postgres_locks_waiting', null, count(distinct pid)
      from pg_locks join pg_stat_activity using (pid)
      where not granted and datname = current_database()
      union all
      select series.metric, series.label, series.value
      from
        counted
        cross join lateral (
          values
            ('holdfast_postgres_transactions_total', 'committed', xact_commit),
            ('holdfast_postgres_transactions_total', 'rolled_back', xact_rollback),
            ('holdfast_postgres_blocks_total', 'memory', blks_hit),
            ('holdfast_postgres_blocks_total', 'disk', blks_read),
            ('holdfast_postgres_rows_total', 'returned', tup_returned),
            ('holdfast_postgres_rows_total', 'fetched', tup_fetched),
            ('holdfast_postgres_rows_total', 'inserted', tup_inserted),
            ('holdfast_postgres_rows_total', 'updated', tup_updated),
            ('holdfast_postgres_rows_total', 'deleted', tup_deleted),
            ('holdfast_postgres_deadlocks_total', null, deadlocks),
            ('holdfast_postgres_temporary_bytes_total', null, temp_bytes)
        ) as series (metric, label, value)
    `,
  );
  return [...readings];
}

/** The largest tables, each with its indexes and its months: some milliseconds, for a look at every file of theirs. */
export async function readTables(database: Database): Promise<Reading[]> {
  const readings = await database.run(
    ({ sql }) => sql<Reading[]>`
      with part as (
        select coalesce(pg_partition_root(oid), oid) as root, oid
        from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r'
      ),
      whole as (
        select root::regclass::text as name, sum(pg_total_relation_size(oid)) as bytes, sum(pg_stat_get_dead_tuples(oid)) as dead
        from part
        group by root
      )
      select 'holdfast_postgres_table_bytes' as metric, name as label, bytes::double precision as value from whole
      union all
      select 'holdfast_postgres_dead_rows', name, dead from whole
      union all
      select 'holdfast_postgres_database_bytes', null, pg_database_size(current_database())
    `,
  );
  return [...readings];
}
