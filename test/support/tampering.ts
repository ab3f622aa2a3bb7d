/** Changes the audit as nobody but a superuser can, and undoes it. */
import { randomUUID } from 'node:crypto';
import { sealRows } from '../../db/audit/seal.ts';
import { verifyAudit, type AuditReport } from '../../db/audit/verify.ts';
import type { KeptHead } from '../../db/audit/chain-check.ts';
import type { LongDatabase } from '../../db/connection.ts';
import type { Queryable, Sql } from '../../db/postgres.ts';
import type { AuditHead } from '../../domain/audit.ts';

/** Changes some wallets, and seals what the audit records of that. */
export async function plantAudit(
  { database, sql }: { database: LongDatabase; sql: Sql },
  wallets: number,
): Promise<AuditHead> {
  await sql`
    insert into wallet (id, shop_id, owner_id, currency)
    select gen_random_uuid(), 'main', 'Zoë ☕ ' || number, 'EUR' from generate_series(1, ${wallets}) as number
  `;
  return seal(database);
}

export async function seal(database: LongDatabase): Promise<AuditHead> {
  const { head } = await sealRows(database, 60_000);
  return head;
}

/** With the triggers that refuse a change off, and on again. */
export const asSuperuser = (sql: Sql, change: (sql: Queryable) => Promise<unknown>): Promise<void> =>
  sql.begin(async (transaction) => {
    await transaction`alter table audit disable trigger audit_never_changes`;
    await change(transaction);
    await transaction`alter table audit enable always trigger audit_never_changes`;
  });

/** What verifying finds while the audit is changed. Afterwards it is as it was before. */
export async function whileTampered(
  { database, sql }: { database: LongDatabase; sql: Sql },
  change: (sql: Queryable) => Promise<unknown>,
  heads: readonly KeptHead[] = [],
): Promise<AuditReport> {
  const [rows, head] = [`kept_${randomUUID().slice(0, 8)}`, `head_${randomUUID().slice(0, 8)}`];
  await sql`create table ${sql(rows)} as select * from audit`;
  await sql`create table ${sql(head)} as select * from audit_head`;
  await asSuperuser(sql, change);
  try {
    return await verifyAudit(database, { heads, sources: false });
  } finally {
    await asSuperuser(sql, async (superuser) => {
      await superuser`delete from audit`;
      await superuser`insert into audit select * from ${superuser(rows)}`;
      await superuser`delete from audit_head`;
      await superuser`insert into audit_head select * from ${superuser(head)}`;
    });
  }
}

/** Chains the rows from this one on anew, with the hashes that they must have, and names the last one as the head. */
export async function rewriteChain(sql: Queryable, from: number): Promise<void> {
  const rows = await sql<{ seq: number }[]>`select seq from audit where seq >= ${from} order by seq`;
  for (const { seq } of rows) {
    await sql`
      update audit set previous_hash = coalesce(
        (select before.hash from audit as before where before.seq < ${seq} order by before.seq desc limit 1), repeat('0', 64)
      )
      where seq = ${seq}
    `;
    await sql`update audit set hash = audit_hash(audit) where seq = ${seq}`;
  }
  await sql`
    update audit_head set (seq, hash) = (select audit.seq, audit.hash from audit order by audit.seq desc limit 1)
  `;
}
