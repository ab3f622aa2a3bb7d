/** Idempotency keys: which request works on a call, and the answer that the call has forever after. */
import { and, eq, isNull, sql as expression } from 'drizzle-orm';
import { CLAIM_LEASE_MS } from '../domain/timeouts.ts';
import type { Database } from './connection.ts';
import { idempotencyKey } from './schema/calls.ts';

/** A call that a caller may repeat. */
export interface KeyedCall {
  /** The caller's id: the same key of another caller is another key. */
  caller: string;
  /** Where the call works. */
  shop: string;
  /** The operation's id in the OpenAPI document. */
  operation: string;
  key: string;
  /** SHA-256 of what was sent. */
  fingerprint: string;
  /** What releases before 0.4 kept for the same request. */
  earlierFingerprint: string;
}

/** The HTTP status and JSON body of a final answer. */
export interface Answer {
  status: number;
  body: unknown;
}

export type Claim =
  /** The caller of this function must do the work, under this id, which is the same at every retry. */
  | { state: 'claimed'; commandId: string }
  | { state: 'answered'; commandId: string; answer: Answer }
  /** Another request is doing the work. */
  | { state: 'in_progress' }
  /** The key was used for something else. */
  | { state: 'reused' };

/** Claims the work on a call, under `newCommandId` if no request has worked on it before. */
export async function claimKey(
  database: Database,
  { caller, shop, operation, key, fingerprint, earlierFingerprint }: KeyedCall,
  newCommandId: string,
): Promise<Claim> {
  const [claimed] = await database.run(
    ({ sql }) => sql<{ commandId: string }[]>`
      -- Is this call new, or left behind by a request that died? Of several requests at once, one gets the row.
      insert into idempotency_key as kept (caller, shop_id, operation, key, fingerprint, command_id, claimed_until)
      values (${caller}, ${shop}, ${operation}, ${key}, ${fingerprint}, ${newCommandId}, now() + ${CLAIM_LEASE_MS} * interval '1 millisecond')
      on conflict (caller, operation, key) do update
        set claimed_until = excluded.claimed_until
        where kept.fingerprint in (excluded.fingerprint, ${earlierFingerprint})
          and kept.response_status is null
          and kept.claimed_until <= now()
      returning command_id as "commandId"
    `,
  );
  if (claimed) return { state: 'claimed', commandId: claimed.commandId };

  const kept = await findKey(database, { caller, operation, key });
  if (kept.fingerprint !== fingerprint && kept.fingerprint !== earlierFingerprint) return { state: 'reused' };
  if (kept.responseStatus === null) return { state: 'in_progress' };
  const answer = { status: kept.responseStatus, body: kept.responseBody };
  return { state: 'answered', commandId: kept.commandId, answer };
}

/** Keeps a call's answer and returns it, or the answer that was kept before: a call has its first answer forever. */
export async function keepAnswer(
  database: Database,
  { caller, operation, key }: KeyedCall,
  { status, body }: Answer,
): Promise<Answer> {
  const kept = await database.run(
    ({ sql }) => sql`
      -- Two requests may have worked on one call, when the first was taken for dead.
      update idempotency_key set response_status = ${status}, response_body = ${JSON.stringify(body)}::json
      where caller = ${caller} and operation = ${operation} and key = ${key} and response_status is null
    `,
  );
  if (kept.count === 1) return { status, body };
  const first = await findKey(database, { caller, operation, key });
  return { status: first.responseStatus ?? status, body: first.responseBody ?? body };
}

/** Lets the next retry take over at once. */
export async function releaseKey(database: Database, call: KeyedCall): Promise<void> {
  await database.run(({ orm }) =>
    orm
      .update(idempotencyKey)
      .set({ claimedUntil: expression`now()` })
      .where(and(isKeyOf(call), isNull(idempotencyKey.responseStatus))),
  );
}

const isKeyOf = ({ caller, operation, key }: Pick<KeyedCall, 'caller' | 'operation' | 'key'>) =>
  and(
    eq(idempotencyKey.caller, caller),
    eq(idempotencyKey.operation, operation),
    eq(idempotencyKey.key, key),
  );

async function findKey(database: Database, call: Pick<KeyedCall, 'caller' | 'operation' | 'key'>) {
  const [kept] = await database.run(({ orm }) => orm.select().from(idempotencyKey).where(isKeyOf(call)));
  if (!kept)
    throw new Error(
      `Idempotency key ${call.key} of ${call.operation} was deleted, which nothing is meant to do.`,
    );
  return kept;
}
