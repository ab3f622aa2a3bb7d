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
export type KeptKey = Pick<KeyedCall, 'caller' | 'operation' | 'key'>;

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

/** Claims the work on a call, under `newCommandId` if no request has worked on it before. */
export async function claimKey(database: Database, call: KeyedCall, newCommandId: string): Promise<Claim> {
  const { caller, shop, operation, key, fingerprint, requestId } = call;
  const [claimed] = await database.run(
    ({ sql }) => sql<{ caller: string; commandId: string }[]>`
      with
      -- Keys from before 0.6 have no caller. Whoever of the shop repeats such a call may be the one who made it: it must not be carried
      -- out again under a key of their own. No release makes such keys any longer, so a snapshot shows all of them.
      taken_over as (
        update idempotency_key as kept
        set claimed_until = ${leaseEnd(sql)}, request_id = ${requestId}
        where ${isFromBefore06(sql, call)} and ${mayBeTaken(sql, call)}
        returning caller, command_id
      ),
      -- Is this call new, or left behind by a request that died? Of several requests at once, one gets the row.
      claimed as (
        insert into idempotency_key as kept (caller, shop_id, operation, key, fingerprint, command_id, claimed_until, request_id)
        select ${caller}, ${shop}, ${operation}, ${key}, ${fingerprint}, ${newCommandId}::uuid, ${leaseEnd(sql)}, ${requestId}
        where not exists (select from idempotency_key as kept where ${isFromBefore06(sql, call)})
        on conflict (caller, operation, key) do update
          set claimed_until = excluded.claimed_until, request_id = excluded.request_id
          where kept.shop_id = ${shop} and ${mayBeTaken(sql, call)}
        returning caller, command_id
      )
      select caller, command_id as "commandId" from taken_over
      union all
      select caller, command_id from claimed
    `,
  );
  if (claimed)
    return {
      state: 'claimed',
      commandId: claimed.commandId,
      kept: { caller: claimed.caller, operation, key },
    };

  const kept = await findKey(database, call);
  // Removed in this very moment, after its time: the call is a new one.
  if (!kept) return claimKey(database, call, newCommandId);
  const isSame = kept.fingerprint === fingerprint || kept.fingerprint === call.earlierFingerprint;
  if (!isSame || kept.shop !== shop) return { state: 'reused' };
  if (kept.status === null || kept.body === null) return { state: 'in_progress' };
  return { state: 'answered', commandId: kept.commandId, answer: { status: kept.status, body: kept.body } };
}

/**
 * Keeps a call's answer and returns it, or the answer that was kept before.
 * @param kept what was claimed.
 */
export async function keepAnswer(database: Database, kept: KeptKey, answer: Answer): Promise<Answer> {
  const { caller, operation, key } = kept;
  const { status, body } = answer;
  const updated = await database.run(
    ({ sql }) => sql`
      -- Two requests may have worked on one call, when the first was taken for dead.
      update idempotency_key set response_status = ${status}, response_body = ${body}::json
      where caller = ${caller} and operation = ${operation} and key = ${key} and response_status is null
    `,
  );
  if (updated.count === 1) return answer;
  const [first] = await database.run(
    ({ sql }) => sql<Answer[]>`
      select response_status as status, response_body::text as body
      from idempotency_key
      where caller = ${caller} and operation = ${operation} and key = ${key}
    `,
  );
  if (!first) throw new Error(`The key ${key} of ${operation} was removed while a request worked on it.`);
  return first;
}

/** Lets the next retry take over at once. */
export async function releaseKey(database: Database, { caller, operation, key }: KeptKey): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      update idempotency_key set claimed_until = now()
      where caller = ${caller} and operation = ${operation} and key = ${key} and response_status is null
    `,
  );
}

async function findKey(database: Database, call: KeyedCall) {
  const { caller, operation, key } = call;
  const [kept] = await database.run(
    ({ sql }) => sql<
      {
        shop: string;
        fingerprint: string;
        commandId: string;
        status: number | null;
        body: string | null;
      }[]
    >`
      select
        shop_id as shop, fingerprint, command_id as "commandId", response_status as status, response_body::text as body
      from idempotency_key as kept
      where (caller = ${caller} and operation = ${operation} and key = ${key}) or (${isFromBefore06(sql, call)})
    `,
  );
  return kept;
}

const leaseEnd = (sql: Queryable): Fragment => sql`now() + ${CLAIM_LEASE_MS} * interval '1 millisecond'`;

const isFromBefore06 = (sql: Queryable, { shop, operation, key }: KeyedCall): Fragment =>
  sql`kept.caller = '' and kept.shop_id = ${shop} and kept.operation = ${operation} and kept.key = ${key}`;

const mayBeTaken = (
  sql: Queryable,
  { fingerprint, earlierFingerprint }: Pick<KeyedCall, 'fingerprint' | 'earlierFingerprint'>,
): Fragment => sql`
  kept.fingerprint in (${fingerprint}, ${earlierFingerprint})
  and kept.response_status is null
  and kept.claimed_until <= now()
`;
