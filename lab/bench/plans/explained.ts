/**
 * A database whose every statement is explained while it runs: PostgreSQL itself reports the plan that it has just carried out, of the
 * very statement that the code sent, as the role that sent it, with what triggers, functions and foreign keys did because of it.
 */
import { RUNNING_ROLE } from '../../../db/connection.ts';
import type { LongDatabase } from '../../../db/database.ts';
import { inTransaction, openPostgres, ormOn } from '../../../db/postgres.ts';
import { readExplained, type Explained } from './plan.ts';

/** Settings of a server that can explain. */
export const EXPLAINING_SERVER = {
  shared_preload_libraries: 'auto_explain',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_buffers': 'on',
  'auto_explain.log_format': 'json',
  'auto_explain.log_nested_statements': 'on',
  // To the sender of the statement.
  'auto_explain.log_level': 'notice',
} as const;

export interface ExplainingDatabase extends LongDatabase {
  /** What was carried out since this was asked last. */
  takeExplained(): Explained[];
  close(): Promise<void>;
}

/** One connection, as a pool of the product has several: PostgreSQL keeps its prepared statements and their plans. */
export function openExplaining(url: string): ExplainingDatabase {
  let explained: Explained[] = [];
  const sql = openPostgres(url, {
    connections: 1,
    session: { role: RUNNING_ROLE, 'auto_explain.log_min_duration': '0' },
    onNotice: (notice) => {
      const one = readExplained(notice);
      if (one) explained.push(one);
    },
  });
  const orm = ormOn(sql);
  return {
    run: async (query) => query({ sql, orm }),
    transaction: (work) => inTransaction(sql, work),
    runLong: async (_, query) => query(sql),
    takeExplained() {
      const taken = explained;
      explained = [];
      return taken;
    },
    close: () => sql.end(),
  };
}
