/** A row of the sealed audit, and the hash that chains it to the row before it. */
import { hash } from 'node:crypto';
import type { Fragment, Queryable } from '../postgres.ts';

/** Every field as PostgreSQL writes it, because the hash is made of these texts. */
export interface SealedRow {
  seq: number;
  /** In UTC, with microseconds. */
  recordedAt: string;
  transaction: string;
  kind: string;
  shopId: string | null;
  subject: string;
  orderId: string | null;
  commandId: string | null;
  actor: string;
  requestId: string | null;
  why: string | null;
  /** JSON. */
  before: string | null;
  after: string | null;
  previousHash: string;
  hash: string;
  sealedAt: string;
}

/** The hash that a row must have. `seal_audit` in db/migrations computes the same in SQL. */
export const hashOf = (row: SealedRow): string =>
  hash(
    'sha256',
    row.previousHash +
      netstring(String(row.seq)) +
      netstring(row.recordedAt) +
      netstring(row.transaction) +
      netstring(row.kind) +
      netstring(row.shopId) +
      netstring(row.subject) +
      netstring(row.orderId) +
      netstring(row.commandId) +
      netstring(row.actor) +
      netstring(row.requestId) +
      netstring(row.why) +
      netstring(row.before) +
      netstring(row.after) +
      netstring(row.sealedAt),
  );

/** With its length, so that no text can be moved from one field into the next. */
const netstring = (text: string | null): string =>
  text === null ? '-' : `${Buffer.byteLength(text)}:${text},`;

/** The columns of {@link SealedRow}, of the table `audit`. */
export const columnsOfSealedRow = (sql: Queryable): Fragment => sql`
  seq, ${inUtc(sql, sql`recorded_at`)} as "recordedAt", transaction::text, kind, shop_id as "shopId", subject, order_id as "orderId",
  command_id as "commandId", actor, request_id as "requestId", why, before::text, after::text, previous_hash as "previousHash",
  hash, ${inUtc(sql, sql`sealed_at`)} as "sealedAt"
`;

const inUtc = (sql: Queryable, column: Fragment): Fragment =>
  sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Which row it is, for people. */
export const describeRow = ({ seq, kind, subject, recordedAt }: SealedRow): string =>
  `${seq} (${kind} ${subject}, recorded ${recordedAt})`;
