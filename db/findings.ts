/** What reconciliation found, kept from when it was first seen until it is repaired or gone. */
import { and, desc, eq, getTableColumns, lt, sql as expression, type SQL } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { v7 as uuidv7 } from 'uuid';
import type { Decided } from '../domain/decisions.ts';
import { DETECTED_KINDS, type FindingKind } from '../domain/rules.ts';
import type { Database } from './connection.ts';
import type { Fragment, Queryable } from './postgres.ts';
import { parseExactly, stringifyExactly } from './exact-integers.ts';
import { decision, finding, repair, type FINDING_STATES } from './schema/operations.ts';

export interface Finding {
  subject: string;
  orderId: string | null;
  /** A sentence with the values that disagree. */
  finding: string;
}

export interface OpenFinding extends Finding {
  id: string;
  kind: FindingKind;
}

/**
 * Keeps what was found. Returns the open findings that it belongs to: new ones, or those of an earlier run. What a person has accepted as it
 * is, or has decided since the run began, is not opened again.
 * @param at when the run began, ISO 8601.
 */
export async function keepFindings(
  database: Database,
  kind: FindingKind,
  found: readonly Finding[],
  at: string,
): Promise<OpenFinding[]> {
  if (found.length === 0) return [];
  const rows = JSON.stringify(
    found.map(({ subject, orderId, finding: sentence }) => ({
      id: uuidv7(),
      subject,
      orderId,
      finding: sentence,
    })),
  );
  return database.run(
    async ({ sql }) => sql<OpenFinding[]>`
      insert into finding (id, kind, subject, order_id, shop_id, finding, first_seen, last_seen)
      select id, ${kind}, subject, "orderId", ${shopOf(sql, kind)}, finding, ${at}, ${at}
      from jsonb_to_recordset(${rows}::text::jsonb) as found (id uuid, subject text, "orderId" uuid, finding text)
      where
        not exists (
          select from finding as decided join decision on decision.finding_id = decided.id
          where
            decided.kind = ${kind} and decided.subject = found.subject and decided.state = 'resolved'
            and (decided.ended_at >= ${at} or (choice = 'accept' and decided.finding = found.finding))
        )
      on conflict (kind, subject) where state = 'open'
        do update set finding = excluded.finding, last_seen = greatest(finding.last_seen, excluded.last_seen)
      returning id, kind, subject, order_id as "orderId", finding
    `,
  );
}

/** The shop that a finding belongs to, whose people may read it; null when nothing says which. */
function shopOf(sql: Queryable, kind: FindingKind): Fragment {
  switch (kind) {
    case 'stock_counter_wrong':
    case 'units_held_by_closed_order':
      return sql`split_part(subject, '/', 1)`;
    case 'stats_wrong':
      return sql`split_part(subject, '/', 2)`;
    case 'wallet_counter_wrong':
      return sql`(select shop_id from wallet where wallet.id = subject::uuid)`;
    case 'transfer_unbalanced':
      return sql`(select shop_id from transfer where transfer.id = subject::uuid)`;
    case 'order_lost':
      return sql`(select shop_id from idempotency_key where operation = 'createOrder' and command_id = "orderId" limit 1)`;
    case 'order_missing':
      // One that is not recorded has its caller's key.
      return sql`coalesce((select shop_id from orders where orders.id = "orderId"), ${shopOf(sql, 'order_lost')})`;
    case 'order_overdue':
    case 'order_inconsistent':
    case 'workflow_missing':
    case 'workflow_failed':
    case 'money_held_by_closed_order':
    case 'money_taken_without_payment':
    case 'paid_without_money':
    case 'payment_inconsistent':
    case 'payment_unreturned':
      return sql`(select shop_id from orders where orders.id = "orderId")`;
    case 'payment_unmatched':
    case 'look_failed':
    case 'audit_broken':
      return sql`null`;
  }
}

export interface Repaired {
  /** What was done, as a sentence. */
  done: string;
  before: object;
  after: object;
}

/** What a repair did, or why it did nothing. */
export type RepairResult = Repaired | 'nothing wrong' | 'for a person';

/** Ends a finding with what was done about it. Call it in the transaction that did it. */
export async function keepRepair(
  sql: Queryable,
  findingId: string,
  { done, before, after }: Repaired,
  at: string,
): Promise<void> {
  await sql`
    with ended as (
      update finding set state = 'repaired', done = ${done}, ended_at = ${at} where id = ${findingId} returning id
    )
    insert into repair (finding_id, before, after, at)
    select id, ${stringifyExactly(before)}::text::json, ${stringifyExactly(after)}::text::json, ${at} from ended
  `;
}

export interface NewDecision {
  choice: Decided;
  /** Who decided, and why. */
  actor: string;
  reason: string;
  before: object;
  after: object;
}

/** Records who decided about a finding. Call it in the transaction that carries it out. */
export async function keepDecision(
  sql: Queryable,
  findingId: string,
  { choice, actor, reason, before, after }: NewDecision,
  at: string,
): Promise<void> {
  await sql`
    insert into decision (finding_id, choice, actor, reason, before, after, at)
    values (
      ${findingId}, ${choice}, ${actor}, ${reason},
      ${stringifyExactly(before)}::text::json, ${stringifyExactly(after)}::text::json, ${at}
    )
  `;
}

/** Ends a finding because a person decided what becomes of it. @param done as a sentence. */
export async function resolveFinding(
  sql: Queryable,
  findingId: string,
  done: string,
  at: string,
): Promise<void> {
  await sql`update finding set state = 'resolved', done = ${done}, ended_at = ${at} where id = ${findingId}`;
}

/** Locks a finding for its repair. Returns false when it is no longer open: another run has repaired it. */
export async function lockOpenFinding(sql: Queryable, findingId: string): Promise<boolean> {
  const open = await sql`select from finding where id = ${findingId} and state = 'open' for update`;
  return open.length > 0;
}

/**
 * Withdraws what a run has kept, because inspecting again found nothing wrong: another run had repaired it in between. What an
 * earlier run had seen stays.
 */
export async function withdrawFinding(sql: Queryable, findingId: string, startedAt: string): Promise<void> {
  await sql`delete from finding where id = ${findingId} and state = 'open' and first_seen = ${startedAt}`;
}

/**
 * Ends the open findings that a run no longer saw. That holds only for kinds that it inspected to the end, and not for rows
 * that it could not inspect.
 * @param startedAt when the run began, ISO 8601.
 */
export async function closeUnseen(
  database: Database,
  startedAt: string,
  inspected: readonly FindingKind[] = DETECTED_KINDS,
): Promise<void> {
  const kinds = JSON.stringify(inspected.map((kind) => ({ kind })));
  await database.run(
    ({ sql }) => sql`
      with inspected as (
        select kind from jsonb_to_recordset(${kinds}::text::jsonb) as inspected (kind text)
      ),
      failed as (
        select subject from finding where kind = 'look_failed' and state = 'open' and last_seen >= ${startedAt}
      )
      update finding set state = 'gone', ended_at = ${startedAt}
      where
        state = 'open' and last_seen < ${startedAt}
        and (
          (
            kind in (select kind from inspected)
            -- A day that could not be inspected has findings below it, by currency and SKU.
            and not exists (
              select from failed where starts_with(format('%s/%s/', finding.kind, finding.subject), failed.subject || '/')
            )
          )
          or (kind = 'look_failed' and split_part(subject, '/', 1) in (select kind from inspected))
        )
    `,
  );
}

/** What could not be inspected or repaired, as a finding of its own. */
export const failedInspection = (kind: FindingKind, subject: string | null, why: string): Finding => ({
  subject: subject === null ? kind : `${kind}/${subject}`,
  orderId: null,
  finding: why,
});

export type FindingRow = typeof finding.$inferSelect & {
  repair: typeof repair.$inferSelect | null;
  decision: typeof decision.$inferSelect | null;
};

const WHOLE = {
  finding: getTableColumns(finding),
  repair: { ...getTableColumns(repair), before: exactly(repair.before), after: exactly(repair.after) },
  decision: {
    ...getTableColumns(decision),
    before: exactly(decision.before),
    after: exactly(decision.after),
  },
};

/** The finding with that id; undefined when there is none. */
export async function findFinding(database: Database, id: string): Promise<FindingRow | undefined> {
  const [row] = await database.run(({ orm }) =>
    orm
      .select(WHOLE)
      .from(finding)
      .leftJoin(repair, eq(repair.findingId, finding.id))
      .leftJoin(decision, eq(decision.findingId, finding.id))
      .where(eq(finding.id, id)),
  );
  return row && { ...row.finding, repair: row.repair, decision: row.decision };
}

/** Findings and what was changed for them, newest first, from the one before `before` on. */
export async function listFindings(
  database: Database,
  { state, kind }: { state?: (typeof FINDING_STATES)[number] | undefined; kind?: FindingKind | undefined },
  { before, limit }: { before: string | undefined; limit: number },
): Promise<FindingRow[]> {
  const rows = await database.run(({ orm }) =>
    orm
      .select(WHOLE)
      .from(finding)
      .leftJoin(repair, eq(repair.findingId, finding.id))
      .leftJoin(decision, eq(decision.findingId, finding.id))
      .where(
        and(
          state && eq(finding.state, state),
          kind && eq(finding.kind, kind),
          before === undefined ? undefined : lt(finding.id, before),
        ),
      )
      .orderBy(desc(finding.id))
      .limit(limit),
  );
  return rows.map((row) => ({ ...row.finding, repair: row.repair, decision: row.decision }));
}

/** A sum in it may be more than a number holds, and is a bigint then. */
function exactly(column: AnyPgColumn): SQL {
  return expression`${column}::text`.mapWith(parseExactly);
}
