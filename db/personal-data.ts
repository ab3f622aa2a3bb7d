/** Records, reads and erases the personal fields of orders. Every one of them is encrypted here before PostgreSQL gets it. */
import { randomUUID, type KeyObject } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { UnknownKeyError } from '../domain/key-ring.ts';
import { isEmpty, type PersonalData } from '../domain/personal-data.ts';
import {
  indexEmail,
  makeBuyerKey,
  openFields,
  sealFields,
  unwrapBuyerKey,
  wrapBuyerKey,
  type EmailIndex,
  type KeyOwner,
  type PersonalDataKeys,
  type WrappedKey,
} from '../domain/personal-data-keys.ts';
import type { Database } from './connection.ts';
import { errorCode } from './errors.ts';
import { buyerKey, personalData } from './schema/personal-data.ts';

export interface NewPersonalData {
  orderId: string;
  shopId: string;
  buyerId: string;
  data: PersonalData;
}

interface UsableKey extends KeyOwner {
  key: KeyObject;
  /** Undefined for a key that the database has. */
  made?: WrappedKey;
}

/** Between two attempts somebody else has made the buyer's key or erased the buyer, which happens once or twice. */
const MOST_ATTEMPTS = 10;

/**
 * Records the personal fields of an order that is about to be placed. Its id is the idempotency key: what is recorded stays.
 *
 * While the buyer is erased, the fields go with the others, or wait for the erasure's end and are encrypted with another key: then they
 * came after it.
 * @throws {UnknownKeyError | SealBrokenError} when the buyer's key cannot be had.
 */
export async function recordPersonalData(
  database: Database,
  keys: PersonalDataKeys,
  { orderId, shopId, buyerId, data }: NewPersonalData,
): Promise<void> {
  if (isEmpty(data)) return;
  const [index] = data.contact?.email === undefined ? [] : indexEmail(keys, shopId, data.contact.email);
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const usable = await findOrMakeKey(database, keys, shopId, buyerId);
    const sealed = sealFields(usable.key, { shopId, orderId }, data);
    if (await insertFields(database, orderId, usable, { ...sealed, index })) return;
  }
  throw new Error(
    `The personal fields of the order ${orderId} could not be recorded: its buyer's key kept changing.`,
  );
}

async function findOrMakeKey(
  database: Database,
  keys: PersonalDataKeys,
  shopId: string,
  buyerId: string,
): Promise<UsableKey> {
  const [found] = await database.run(
    ({ sql }) => sql<(WrappedKey & { id: string })[]>`
      select id, wrapped, wrapping_key as "wrappingKey" from buyer_key
      where shop_id = ${shopId} and buyer_id = ${buyerId}
    `,
  );
  if (found) {
    const owner = { shopId, buyerId, id: found.id };
    return { ...owner, key: unwrapBuyerKey(keys, owner, found) };
  }
  const owner = { shopId, buyerId, id: randomUUID() };
  const key = makeBuyerKey();
  return { ...owner, key, made: wrapBuyerKey(keys, owner, key) };
}

interface NewFields {
  contact: Buffer | null;
  deliveryNote: Buffer | null;
  index: EmailIndex | undefined;
}

/** False when the key is not the buyer's any more, or not the one that somebody else has just made. */
async function insertFields(
  database: Database,
  orderId: string,
  { shopId, buyerId, id, made }: UsableKey,
  { contact, deliveryNote, index }: NewFields,
): Promise<boolean> {
  try {
    const [outcome] = await database.run(
      ({ sql }) => sql<{ isRecorded: boolean }[]>`
        with
        -- Has another order of this buyer made a key in the meantime? Of several at once, one makes it.
        made as (
          insert into buyer_key (shop_id, buyer_id, id, wrapped, wrapping_key)
          select ${shopId}, ${buyerId}, ${id}::uuid, ${made?.wrapped ?? null}::bytea, ${made?.wrappingKey ?? null}::text
          where ${made !== undefined}::boolean
          on conflict (shop_id, buyer_id) do nothing
          returning id
        ),
        -- Is the key that the fields are encrypted with still there? If it goes now, the foreign key waits for that, and refuses them.
        usable as (
          select id from made
          union all
          select id from buyer_key where shop_id = ${shopId} and buyer_id = ${buyerId} and id = ${id}::uuid
        ),
        -- Were they recorded by an earlier attempt of this request?
        recorded as (
          insert into personal_data
            (order_id, shop_id, buyer_id, buyer_key_id, contact, delivery_note, email_index, index_key)
          select
            ${orderId}::uuid, ${shopId}, ${buyerId}, id, ${contact}::bytea, ${deliveryNote}::bytea,
            ${index?.value ?? null}::bytea, ${index?.indexKey ?? null}::text
          from usable
          on conflict (order_id) do nothing
          returning order_id
        )
        select
          exists (select from recorded) or exists (select from personal_data where order_id = ${orderId}::uuid)
          as "isRecorded"
      `,
    );
    return outcome?.isRecorded === true;
  } catch (error) {
    if (errorCode(error) === FOREIGN_KEY_VIOLATED) return false;
    throw error;
  }
}

const FOREIGN_KEY_VIOLATED = '23503';

/** Joins the fields of an order with the key that they are encrypted with. */
export const isKeyOfFields = and(
  eq(buyerKey.shopId, personalData.shopId),
  eq(buyerKey.buyerId, personalData.buyerId),
  eq(buyerKey.id, personalData.buyerKeyId),
);

/**
 * What an order was placed with; undefined when that was nothing, or was erased.
 * @throws {UnknownKeyError | SealBrokenError} when it cannot be read.
 */
export async function findPersonalData(
  database: Database,
  keys: PersonalDataKeys | undefined,
  orderId: string,
): Promise<PersonalData | undefined> {
  const [found] = await database.run(({ orm }) =>
    orm
      .select({ fields: personalData, key: buyerKey })
      .from(personalData)
      .innerJoin(buyerKey, isKeyOfFields)
      .where(eq(personalData.orderId, orderId)),
  );
  if (!found) return undefined;
  if (keys === undefined)
    throw new UnknownKeyError('PERSONAL_DATA_KEYS is not set, and an order has personal fields.');
  const { fields, key } = found;
  return openFields(unwrapBuyerKey(keys, key, key), fields, fields);
}

export interface Erasure {
  shopId: string;
  buyerId: string;
  /** For the audit. */
  why: string;
  /** When it was done first, if it is done again: a key that the buyer got since then is spared. */
  doneAt?: Date | undefined;
}

/**
 * Erases the personal data of a buyer: the fields of all orders so far, and the key without which no copy of them can be read. The audit
 * says how many orders had some, and by whom and why they were erased. Repeating it changes nothing, and is not recorded.
 * @returns how many orders had some. Orders, ledger and audit stay.
 */
export async function erasePersonalData(
  database: Database,
  { shopId, buyerId, why, doneAt }: Erasure,
): Promise<number> {
  const [erased] = await database.run(
    ({ sql }) => sql<{ orders: number }[]>`
      with
      -- One that was made while an earlier erasure went on was erased by that.
      key as (
        delete from buyer_key
        where shop_id = ${shopId} and buyer_id = ${buyerId}
          and (
            ${doneAt === undefined}::boolean
            or recorded_at <= ${doneAt ?? new Date(0)}::timestamptz + interval '1 second'
          )
        returning id
      ),
      -- Fields that are recorded at this very moment go with the key, and are not counted.
      fields as (
        delete from personal_data
        where shop_id = ${shopId} and buyer_id = ${buyerId} and buyer_key_id in (select id from key)
        returning order_id
      ),
      counted as (select count(*)::int as orders from fields)
      select
        orders,
        (
          select record_audit(
            'personal_data', ${shopId}, ${buyerId}, json_build_object('orders', orders), null, ${why}
          )::text
          from key
        ) as recorded
      from counted
    `,
  );
  return erased?.orders ?? 0;
}
