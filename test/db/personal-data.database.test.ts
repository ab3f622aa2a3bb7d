/** Personal fields are recorded once, read by their order, and gone with their buyer's key. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { listErasures } from '../../db/personal-data-erasures.ts';
import { erasePersonalData, findPersonalData, recordPersonalData } from '../../db/personal-data.ts';
import type { PersonalData } from '../../domain/personal-data.ts';
import { UnknownKeyError } from '../../domain/key-ring.ts';
import { unwrapBuyerKey } from '../../domain/personal-data-keys.ts';
import { SealBrokenError } from '../../domain/sealing.ts';
import { freshDatabase } from '../support/database.ts';
import { aKey, readKeys, TEST_KEYS } from '../support/personal-data.ts';
import { until } from '../support/until.ts';

const { database, sql } = await freshDatabase();
const keys = readKeys();
const DATA: PersonalData = {
  contact: { name: 'Ada', email: 'ada@example.com', phone: '+44 20' },
  deliveryNote: 'Ring\ntwice',
};

const buyer = () => ({ shopId: 'main', buyerId: `buyer-${randomUUID()}` });
type Buyer = ReturnType<typeof buyer>;

async function recorded(of: Buyer, data = DATA): Promise<string> {
  const orderId = uuidv7();
  await recordPersonalData(database, keys, { ...of, orderId, data });
  return orderId;
}
const read = (orderId: string) => findPersonalData(database, keys, orderId);
const erase = (of: Buyer) => erasePersonalData(database, { ...of, why: 'asked to' });
const keysOf = ({ shopId, buyerId }: Buyer) =>
  sql<{ id: string; wrapped: Buffer; wrappingKey: string }[]>`
    select id, wrapped, wrapping_key as "wrappingKey" from buyer_key where shop_id = ${shopId} and buyer_id = ${buyerId}
  `;
const fieldsOf = ({ shopId, buyerId }: Buyer) =>
  sql`select order_id from personal_data where shop_id = ${shopId} and buyer_id = ${buyerId}`;

describe('what is recorded', () => {
  test('is read as it was, with a key that all orders of its buyer share', async () => {
    const ada = buyer();
    const orders = [await recorded(ada), await recorded(ada, { deliveryNote: 'x' }), await recorded(ada)];
    expect(await Promise.all(orders.map(read))).toEqual([DATA, { deliveryNote: 'x' }, DATA]);
    expect(await keysOf(ada)).toHaveLength(1);
  });

  test('is nothing for an order without any', async () => {
    const ada = buyer();
    expect(await read(await recorded(ada, {}))).toBeUndefined();
    expect(await keysOf(ada)).toEqual([]);
  });

  test('stays as it is when the request is repeated', async () => {
    const order = { ...buyer(), orderId: uuidv7() };
    await recordPersonalData(database, keys, { ...order, data: DATA });
    const [first] = await sql`select * from personal_data where order_id = ${order.orderId}`;
    await Promise.all(
      [1, 2, 3].map(() => recordPersonalData(database, keys, { ...order, data: { deliveryNote: 'other' } })),
    );
    expect(await sql`select * from personal_data where order_id = ${order.orderId}`).toEqual([first]);
  });

  test('is whole when many orders of a new buyer come at once, some of them twice', async () => {
    const ada = buyer();
    const ids = Array.from({ length: 20 }, () => uuidv7());
    await Promise.all(
      [...ids, ...ids].map((orderId) => recordPersonalData(database, keys, { ...ada, orderId, data: DATA })),
    );
    expect(await Promise.all(ids.map(read))).toEqual(ids.map(() => DATA));
    expect(await keysOf(ada)).toHaveLength(1);
  });

  test('cannot be read when it was moved to another order, another shop or another buyer', async () => {
    const [ada, eve] = [buyer(), buyer()];
    const [hers, other] = [await recorded(ada), await recorded(ada)];
    await sql`
      update personal_data set contact = theirs.contact from personal_data as theirs
      where personal_data.order_id = ${hers} and theirs.order_id = ${other}
    `;
    await expect(read(hers)).rejects.toThrow(SealBrokenError);
    const eves = await recorded(eve);
    await sql`
      update buyer_key set wrapped = theirs.wrapped from buyer_key as theirs
      where buyer_key.buyer_id = ${eve.buyerId} and theirs.buyer_id = ${ada.buyerId}
    `;
    await expect(read(eves)).rejects.toThrow(SealBrokenError);
  });

  test('can neither be read nor added to without the key that wraps the key of its buyer', async () => {
    const ada = buyer();
    const orderId = await recorded(ada);
    const without = readKeys({ ...TEST_KEYS, PERSONAL_DATA_KEYS: aKey('another') });
    await expect(findPersonalData(database, without, orderId)).rejects.toThrow(UnknownKeyError);
    await expect(findPersonalData(database, undefined, orderId)).rejects.toThrow(UnknownKeyError);
    const more = { ...ada, orderId: uuidv7(), data: DATA };
    await expect(recordPersonalData(database, without, more)).rejects.toThrow(UnknownKeyError);
    expect(await fieldsOf(ada)).toHaveLength(1);
  });

  test('is refused by the database when it is longer than any text can be, or indexed without an address', async () => {
    const ada = buyer();
    await recorded(ada);
    const [key] = await keysOf(ada);
    const insert = (contact: Buffer | null, index: Buffer | null) => sql`
      insert into personal_data (order_id, shop_id, buyer_id, buyer_key_id, contact, email_index)
      values (${uuidv7()}, ${ada.shopId}, ${ada.buyerId}, ${key?.id ?? ''}, ${contact}, ${index})
    `;
    await expect(insert(Buffer.alloc(2_078), null)).rejects.toThrow('personal_data_contact');
    await expect(insert(Buffer.alloc(28), null)).rejects.toThrow('personal_data_contact');
    await expect(insert(null, null)).rejects.toThrow('personal_data_not_empty');
    await expect(insert(Buffer.alloc(100), Buffer.alloc(32))).rejects.toThrow('personal_data_indexed');
    await insert(Buffer.alloc(2_077), null);
  });
});

describe('erasing a buyer', () => {
  test('deletes the fields of all orders so far and the key, so that no copy can be decrypted with all other keys', async () => {
    const ada = buyer();
    const orders = [await recorded(ada), await recorded(ada)];
    const copies = await sql<{ contact: Buffer; orderId: string }[]>`
      select contact, order_id as "orderId" from personal_data where buyer_id = ${ada.buyerId}
    `;
    const [old] = await keysOf(ada);
    expect(await erase(ada)).toBe(2);
    expect(await Promise.all(orders.map(read))).toEqual([undefined, undefined]);
    expect([...(await keysOf(ada)), ...(await fieldsOf(ada))]).toEqual([]);
    // A copy of the fields is put back, and the buyer orders again.
    const later = await recorded(ada);
    const [next] = await keysOf(ada);
    expect(next?.id).not.toBe(old?.id);
    for (const { contact, orderId } of copies)
      await sql`
        insert into personal_data (order_id, shop_id, buyer_id, buyer_key_id, contact)
        values (${orderId}, ${ada.shopId}, ${ada.buyerId}, ${next?.id ?? ''}, ${contact})
      `;
    for (const order of orders) await expect(read(order)).rejects.toThrow(SealBrokenError);
    expect(await read(later)).toEqual(DATA);
  });

  test('is in the audit with who did it, why, and how many orders had personal fields, and not again when there are none', async () => {
    const ada = buyer();
    await recorded(ada);
    await recorded(ada);
    const by = database.reaching({ shop: 'main' }, { actor: 'key:dana', requestId: 'r-1' });
    await erasePersonalData(by, { ...ada, why: 'asked to' });
    await erasePersonalData(by, { ...ada, why: 'asked twice' });
    await erasePersonalData(by, { ...buyer(), why: 'asked by a stranger' });
    const noted = await sql`
      select kind, shop_id, subject, actor, request_id, why, before, after from audit_inbox where actor = 'key:dana'
    `;
    expect([...noted]).toEqual([
      {
        kind: 'personal_data',
        shop_id: 'main',
        subject: ada.buyerId,
        actor: 'key:dana',
        request_id: 'r-1',
        why: 'asked to',
        before: { orders: 2 },
        after: null,
      },
    ]);
  });

  test('leaves other buyers alone, one of the same name in another shop, too', async () => {
    const ada = buyer();
    const other = { ...ada, shopId: 'tea' };
    await sql`insert into shop (id, name) values ('tea', 'Tea') on conflict do nothing`;
    const [, theirs, somebodys] = [await recorded(ada), await recorded(other), await recorded(buyer())];
    await erase(ada);
    expect([await read(theirs), await read(somebodys)]).toEqual([DATA, DATA]);
  });

  test('again spares what the buyer got a new key for since then, and nothing that came back', async () => {
    const ada = buyer();
    const before = await recorded(ada);
    const back = await sql`select * from buyer_key where buyer_id = ${ada.buyerId}`;
    const backToo = await sql`select * from personal_data where buyer_id = ${ada.buyerId}`;
    await erase(ada);
    const past = async () => {
      for await (const page of listErasures(database))
        for (const erasure of page) if (erasure.buyerId === ada.buyerId) return erasure;
      throw new Error('The audit has no such erasure.');
    };
    const again = async () => erasePersonalData(database, { ...(await past()), why: 'restored' });
    const since = await past();
    await sql`insert into buyer_key ${sql(back)}`;
    await sql`insert into personal_data ${sql(backToo)}`;
    expect(await read(before)).toEqual(DATA);
    expect(await again()).toBe(1);
    expect(await read(before)).toBeUndefined();
    const later = await recorded(ada);
    await sql`update buyer_key set recorded_at = ${new Date(since.doneAt.getTime() + 2_000)} where buyer_id = ${ada.buyerId}`;
    expect(await erasePersonalData(database, { ...since, why: 'restored' })).toBe(0);
    expect(await read(later)).toEqual(DATA);
  });

  test('may be repeated, and changes nothing for a buyer without personal data', async () => {
    const ada = buyer();
    await recorded(ada);
    expect([await erase(ada), await erase(ada), await erase(buyer())]).toEqual([1, 0, 0]);
  });
});

describe('when an order is placed while its buyer is erased,', () => {
  const LOCK = 4711;
  afterEach(async () => {
    await sql`drop trigger if exists zz_hold on personal_data`;
    await sql`drop trigger if exists zz_hold on buyer_key`;
  });

  /** Lets the next change of a table wait, after all that belongs to its statement, until the returned function is called. */
  async function hold(event: 'insert' | 'delete', table: 'personal_data' | 'buyer_key') {
    await sql`
      create or replace function hold() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(${sql.unsafe(String(LOCK))}); return null; end $$
    `;
    await sql`create trigger zz_hold after ${sql.unsafe(event)} on ${sql(table)} for each row execute function hold()`;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: held, resolve: begin } = Promise.withResolvers<void>();
    const holding = sql.begin(async (transaction) => {
      await transaction`select pg_advisory_xact_lock(${LOCK})`;
      begin();
      await released;
    });
    await held;
    return async () => {
      release();
      await holding;
    };
  }
  const waiting = (what: 'advisory' | 'transactionid', count: number) =>
    until(`${count} sessions to wait for ${what}`, async () => {
      const [found] = await sql<{ count: number }[]>`
        select count(*)::int as count from pg_locks
        where not granted and locktype = ${what}
          and pid in (select pid from pg_stat_activity where datname = current_database())
      `;
      return found?.count === count || undefined;
    });

  test('fields that came before the erasure ends go with it', async () => {
    const ada = buyer();
    await recorded(ada);
    const release = await hold('insert', 'personal_data');
    const placing = recorded(ada);
    await waiting('advisory', 1);
    const erasing = erase(ada);
    await waiting('transactionid', 1);
    await release();
    const [orderId] = await Promise.all([placing, erasing]);
    expect(await read(orderId)).toBeUndefined();
    expect([...(await keysOf(ada)), ...(await fieldsOf(ada))]).toEqual([]);
  });

  test('fields that wait for it are encrypted with another key, and came after it', async () => {
    const ada = buyer();
    await recorded(ada);
    const [old] = await keysOf(ada);
    const release = await hold('delete', 'buyer_key');
    const erasing = erase(ada);
    await waiting('advisory', 1);
    const placing = recorded(ada);
    await waiting('transactionid', 1);
    await release();
    const [orderId] = await Promise.all([placing, erasing]);
    expect(await read(orderId)).toEqual(DATA);
    const [next, ...more] = await keysOf(ada);
    expect(more).toEqual([]);
    expect(next?.id).not.toBe(old?.id);
    expect(await fieldsOf(ada)).toHaveLength(1);
  });

  test('every order ends with all of its fields or with none, and none is left that cannot be read', async () => {
    const ada = buyer();
    const orders = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        if (index % 4 === 3) await erase(ada);
        return recorded(ada);
      }),
    );
    const found = await Promise.all(orders.map(read));
    const left = found.filter((data) => data !== undefined);
    expect(left).toEqual(left.map(() => DATA));
    expect(await fieldsOf(ada)).toHaveLength(left.length);
    for (const key of await keysOf(ada)) unwrapBuyerKey(keys, { ...ada, id: key.id }, key);
  });
});
