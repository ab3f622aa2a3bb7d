/** Idempotency keys: which request works on a call, and the answer that the call has for as long as its key is kept. */
import { CLAIM_LEASE_MS } from '../domain/timeouts.ts';
import type { ShopScope } from '../domain/shops.ts';
import type { Database } from './connection.ts';
import type { Queryable, Fragment } from './postgres.ts';

/** A call that a caller may repeat. */
export interface KeyedCall {
  /** The caller's id: the same key of another caller is another key. */
  caller: string;
  /** Where the call works. */
  shop: ShopScope;
  /** The operation's id in the OpenAPI document. */
  operation: string;
  key: string;
  /** SHA-256 of what was sent. */
  fingerprint: string;
  /** The request that makes the call, for the audit. */
  requestId: string;
  /** What releases before 0.4 kept for the same request. */
  earlierFingerprint: string;
}

/** The row under which a call is kept: its caller's own, or one from before 0.6, when keys had no caller. */
export interface KeptKey extends Pick<KeyedCall, 'caller' | 'operation' | 'key'> {
  /** The first day of the month in whose partition it is. */
  month: string;
}

/** The HTTP status and the text of the JSON body of a final answer. */
export interface Answer {
  status: number;
  body: string;
}

export type Claim =
  /** The caller of this function must do the work, under this id, which is the same at every retry. */
  | { state: 'claimed'; commandId: string; kept: KeptKey }
  | { state: 'answered'; commandId: string; answer: Answer }
  /** Another request is doing the work. */
  | { state: 'in_progress' }
  /** The key was used for something else. */
  | { state: 'reused' };

/** The outcome of a claim: the row as it was found, and whether it was claimed. All null but `isClaimed` when the row is new. */
interface Attempt {
  isClaimed: boolean;
  caller: string | null;
  month: string | null;
  shop: string | null;
  fingerprint: string | null;
  commandId: string | null;
  status: number | null;
  body: string | null;
}

/**
 * Claims the work on a call.
 * @param newCommandId its id, and so its month, if no request has worked on it before. A UUIDv7.
 */
export async function claimKey(database: Database, call: KeyedCall, newCommandId: string): Promise<Claim> {
  const { caller, shop, operation, key, requestId, fingerprint, earlierFingerprint } = call;
  const [attempt] = await database.run(
    ({ sql }) => sql<Attempt[]>`
      with
      -- In which month is this call, if it was made before? Keys from before 0.6 have no caller. Any caller of the shop that repeats such a call may
      -- be the one who made it: it must not be carried out again under a key of their own. Of several requests at once, the first ends before
      -- the next one looks, because no constraint could keep them from having a row each in two months.
      found as materialized (select * from kept_key(${caller}, ${shop}, ${operation}, ${key})),
      -- Is this call new, or left behind by a request that died? Of several requests at once, one gets the row.
      claimed as (
        insert into idempotency_key as kept (
          caller, shop_id, operation, key, month, fingerprint, command_id, claimed_until, request_id
        )
        select
          coalesce(found.caller, ${caller}), ${shop}, ${operation}, ${key},
          coalesce(found.month, month_of(instant_of_id(${newCommandId}))), ${fingerprint}, ${newCommandId}::uuid, ${leaseEnd(sql)},
          ${requestId}
        from (select) as this left join found on true
        where found.response_status is null
        on conflict (caller, operation, key, month) do update
          set claimed_until = excluded.claimed_until, request_id = excluded.request_id
          where
            kept.shop_id = ${shop}
            and kept.fingerprint in (${fingerprint}, ${earlierFingerprint})
            and kept.response_status is null
            and kept.claimed_until <= now()
        returning caller, month, command_id
      )
      select
        claimed.command_id is not null as "isClaimed",
        coalesce(claimed.caller, found.caller) as caller, coalesce(claimed.month, found.month) as month,
        coalesce(claimed.command_id, found.command_id) as "commandId",
        found.shop_id as shop, found.fingerprint, found.response_status as status, found.response_body::text as body
      from (select) as this left join found on true left join claimed on true
    `,
  );
  // Nothing was found, and nothing could be claimed: another request has made the row in this very moment.
  if (!attempt || attempt.commandId === null || attempt.caller === null || attempt.month === null)
    return claimKey(database, call, newCommandId);
  if (attempt.isClaimed) {
    const kept = { caller: attempt.caller, operation, key, month: attempt.month };
    return { state: 'claimed', commandId: attempt.commandId, kept };
  }
  const isSame = attempt.fingerprint === fingerprint || attempt.fingerprint === earlierFingerprint;
  if (!isSame || attempt.shop !== shop) return { state: 'reused' };
  if (attempt.status === null || attempt.body === null) return { state: 'in_progress' };
  return {
    state: 'answered',
    commandId: attempt.commandId,
    answer: { status: attempt.status, body: attempt.body },
  };
}

/**
 * Keeps a call's answer and returns it, or the answer that was kept before.
 * @param kept what was claimed.
 */
export async function keepAnswer(database: Database, kept: KeptKey, answer: Answer): Promise<Answer> {
  const { status, body } = answer;
  const updated = await database.run(
    ({ sql }) => sql`
      -- Two requests may have worked on one call, when the first was taken for dead.
      update idempotency_key set response_status = ${status}, response_body = ${body}::json
      where ${isRow(sql, kept)} and response_status is null
    `,
  );
  if (updated.count === 1) return answer;
  const [first] = await database.run(
    ({ sql }) => sql<Answer[]>`
      select response_status as status, response_body::text as body from idempotency_key where ${isRow(sql, kept)}
    `,
  );
  if (!first)
    throw new Error(`The key ${kept.key} of ${kept.operation} was removed while a request worked on it.`);
  return first;
}

/** Lets the next retry take over at once. */
export async function releaseKey(database: Database, kept: KeptKey): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      update idempotency_key set claimed_until = now() where ${isRow(sql, kept)} and response_status is null
    `,
  );
}

const leaseEnd = (sql: Queryable): Fragment => sql`now() + ${CLAIM_LEASE_MS} * interval '1 millisecond'`;

/**
 * The month is written into the statement: PostgreSQL then plans, and locks, that month alone. As a parameter it would make each statement
 * lock every month, also one that is about to be dropped.
 */
const isRow = (sql: Queryable, { caller, operation, key, month }: KeptKey): Fragment =>
  sql`month = ${sql.unsafe(asLiteral(month))} and caller = ${caller} and operation = ${operation} and key = ${key}`;

function asLiteral(month: string): string {
  if (!/^\d{4,5}-\d{2}-\d{2}$/.test(month)) throw new Error(`${month} is not a month of a key.`);
  return `'${month}'::date`;
}
