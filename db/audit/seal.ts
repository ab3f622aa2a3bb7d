/** Moves what was recorded from the inbox of the audit into its chain. */
import type { AuditHead } from '../../domain/audit.ts';
import type { Database } from '../connection.ts';

export interface Sealed {
  sealed: number;
  /** Whether nothing was left to seal. */
  isDone: boolean;
  head: AuditHead;
}

/** Well within a statement's time-out, also on a busy database. */
const BATCH = 1_000;

/** Seals until nothing is left, or for this many milliseconds. */
export async function sealRows(database: Database, forMs: number): Promise<Sealed> {
  const until = performance.now() + forMs;
  for (let sealed = 0; ;) {
    const some = await sealBatch(database);
    sealed += some.sealed;
    const isDone = some.sealed < BATCH;
    if (isDone || performance.now() > until) return { sealed, isDone, head: some.head };
  }
}

async function sealBatch(database: Database): Promise<Omit<Sealed, 'isDone'>> {
  const [some] = await database.run(
    ({ sql }) => sql<({ sealed: number } & AuditHead)[]>`select sealed, seq, hash from seal_audit(${BATCH})`,
  );
  if (!some) throw new Error('seal_audit returned no row.');
  const { sealed, ...head } = some;
  return { sealed, head };
}
