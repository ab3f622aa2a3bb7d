/** Moves what was recorded from the inbox of the audit into its chain. */
import type { AuditHead } from '../../domain/audit.ts';
import type { LongDatabase } from '../connection.ts';
import type { Queryable } from '../postgres.ts';

export interface Sealed {
  sealed: number;
  /** Whether nothing was left to seal. */
  isDone: boolean;
  head: AuditHead;
}

const BATCH = 1_000;
/** How long a batch may take on a busy server. Nobody waits for it but other runs. */
const BATCH_MS = 30_000;

/** Seals until nothing is left, or for about this many milliseconds. */
export function sealRows(database: LongDatabase, forMs: number): Promise<Sealed> {
  const until = performance.now() + forMs;
  return database.runLong(forMs + BATCH_MS, async (sql) => {
    for (let sealed = 0; ;) {
      const some = await sealBatch(sql);
      sealed += some.sealed;
      const isDone = some.sealed < BATCH;
      if (isDone || performance.now() > until) return { sealed, isDone, head: some.head };
    }
  });
}

async function sealBatch(sql: Queryable): Promise<Omit<Sealed, 'isDone'>> {
  const [some] = await sql<({ sealed: number } & AuditHead)[]>`
    select sealed, seq, hash from seal_audit(${BATCH})
  `;
  if (!some) throw new Error('seal_audit returned no row.');
  const { sealed, ...head } = some;
  return { sealed, head };
}
