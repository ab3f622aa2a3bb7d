/** Migrating a database of an earlier release keeps what is in it. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { openDatabase } from '../../db/connection.ts';
import { claimKey, keepAnswer } from '../../db/idempotency.ts';
import { migrateDatabase } from '../../db/migrate.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { pay } from '../../db/steps/pay.ts';
import { refund } from '../../db/steps/refund.ts';
import { reserve } from '../../db/steps/reserve.ts';
import { countPending } from '../../db/stats/count.ts';
import { readStats } from '../../db/stats/read.ts';
import { expectRulesHold } from '../support/database.ts';
import { emptyDatabase, migrateUpTo } from '../support/earlier-release.ts';
import { plant } from '../support/planted.ts';
import { inMonths, nameOf, rowsByMonth } from '../support/months.ts';
import { anOrder, payment, refundOf } from '../support/step-requests.ts';

test('payments of 0.1 get the key of the command that made them, and nothing else of them changes', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 1);
  const [order, command] = [uuidv7(), randomUUID()];
  await sql.begin(async (transaction) => {
    // Only the rows that matter, without what they refer to.
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into order_step (order_id, step, attempt, stage, reason)
      values
        (${order}, 'reserve', 1, 'awaiting_payment', null),
        (${order}, 'pay', 1, 'awaiting_payment', 'insufficient_funds'),
        (${order}, 'pay', 2, 'paid', null)
    `;
    await transaction`
      insert into order_event (order_id, version, from_stage, stage, command_id, at)
      values (${order}, 2, 'awaiting_payment', 'paid', ${command}, now())
    `;
  });

  await migrateDatabase(url);
  const steps = await sql<{ step: string; reason: string | null; command: string }[]>`
    select step, reason, command_id as command from order_step order by step, reason
  `;
  expect([...steps]).toEqual([
    { step: 'pay', reason: 'insufficient_funds', command: expect.not.stringContaining(command) },
    { step: 'pay', reason: null, command },
    { step: 'reserve', reason: null, command: '00000000-0000-0000-0000-000000000000' },
  ]);
  await expect(sql`update order_step set stage = 'expired'`).rejects.toThrow('never changed');
});

test('events recorded before the figures existed are counted in the figures', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 3);
  const [order, wallet, debit] = [uuidv7(), randomUUID(), randomUUID()];
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into orders (
        id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
      )
      values (${order}, 'buyer', ${wallet}, 'debit', 'paid', 'EUR', 1000, now(), now(), now(), 2)
    `;
    await transaction`insert into order_line (order_id, sku, quantity, unit_price) values (${order}, 'MUG', 2, 500)`;
    await transaction`
      insert into order_event (order_id, version, from_stage, stage, at)
      values
        (${order}, 1, null, 'awaiting_payment', '2026-03-31 23:59:59.999Z'),
        (${order}, 2, 'awaiting_payment', 'paid', '2026-04-01 00:00:00Z')
    `;
    await transaction`insert into transfer (id, kind, order_id) values (${debit}, 'debit', ${order})`;
    await transaction`
      insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
      values (${debit}, 'wallet', ${wallet}, -1000, 'EUR', 0, 0), (${debit}, 'sales', null, 1000, 'EUR', null, null)
    `;
  });

  await migrateDatabase(url);
  const database = openDatabase(url, { connections: 1, name: 'test' });
  try {
    await countPending(database, 10_000);
    const range = { shop: MAIN_SHOP, from: '2026-03-01', to: '2026-04-30' };
    for (const sku of [undefined, 'MUG'])
      expect((await readStats(database, { ...range, sku })).days).toMatchObject([
        { day: '2026-03-31', figures: { placed: 1n, paid: 0n, revenue: 0n } },
        { day: '2026-04-01', figures: { placed: 0n, paid: 1n, revenue: 1_000n, units_sold: 2n } },
      ]);
  } finally {
    await database.close();
  }
});

test('figures, prices and totals of an earlier release keep their last digit, and figures grow from there', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 6);
  await sql`insert into sku (sku, name, price, currency, on_hand) values ('MUG', 'Mug', 1000000000, 'HRK', 1)`;
  await sql`insert into stat values ('', '2026-01-01', 'EUR', 1, 0, 1, 0, 0, 0, 9223372036854775807, 9007199254740993, 2, 0)`;
  await migrateDatabase(url);
  await sql`update stat set revenue = revenue + 1`;
  await expect(sql`update sku set price = 9007199254740992`).rejects.toThrow('sku_price_payable');
  const database = openDatabase(url, { connections: 1, name: 'test' });
  try {
    const range = { shop: MAIN_SHOP, from: '2026-01-01', to: '2026-01-01', sku: undefined };
    expect((await readStats(database, range)).days).toMatchObject([
      { figures: { revenue: 9_223_372_036_854_775_808n, refunds: 9_007_199_254_740_993n, units_sold: 2n } },
    ]);
  } finally {
    await database.close();
  }
});

test('what an installation of 0.5 has is the main shop’s, and its open orders go on', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 7);
  const [open, paid, wallet] = [uuidv7(), uuidv7(), randomUUID()];
  const [counter, units, figures, failed] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  // As 0.5 wrote it, by one statement for each, so that the keys between them hold.
  await sql`insert into sku (sku, name, price, currency, on_hand, reserved) values ('MUG', 'Mug', 500, 'EUR', 8, 2)`;
  await sql`insert into wallet (id, owner_id, currency, posted, held) values (${wallet}, 'alice', 'EUR', 4000, 1000)`;
  await sql`
    with placed as (
      insert into orders (
        id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
      )
      values
        (${open}, 'alice', ${wallet}, 'hold', 'awaiting_payment', 'EUR', 1000, now() + interval '1 hour', now(), now(), 1),
        (${paid}, 'alice', ${wallet}, 'debit', 'paid', 'EUR', 1000, now(), now(), now(), 2)
    ),
    event as (
      insert into order_event (order_id, version, from_stage, stage, at)
      values
        (${open}, 1, null, 'awaiting_payment', now()), (${paid}, 1, null, 'awaiting_payment', now()),
        (${paid}, 2, 'awaiting_payment', 'paid', now())
    ),
    step as (
      insert into order_step (order_id, step, stage, command_id)
      values
        (${open}, 'reserve', 'awaiting_payment', default), (${paid}, 'reserve', 'awaiting_payment', default),
        (${paid}, 'pay', 'paid', ${randomUUID()})
    ),
    line as (
      insert into order_line (order_id, sku, quantity, unit_price) values (${open}, 'MUG', 2, 500), (${paid}, 'MUG', 2, 500)
    ),
    reserved as (
      insert into reservation (order_id, sku, quantity, state) values (${open}, 'MUG', 2, 'held'), (${paid}, 'MUG', 2, 'consumed')
    ),
    promised as (
      insert into hold (order_id, wallet_id, amount, state) values (${open}, ${wallet}, 1000, 'held')
    )
    insert into stock_movement (id, sku, kind, quantity) values (gen_random_uuid(), 'MUG', 'initial', 10)
  `;
  const [deposit, debit] = [randomUUID(), randomUUID()];
  await sql`insert into transfer (id, kind, order_id) values (${deposit}, 'deposit', null), (${debit}, 'debit', ${paid})`;
  await sql`
    insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    values
      (${deposit}, 'wallet', ${wallet}, 5000, 'EUR', 5000, 0), (${deposit}, 'funding', null, -5000, 'EUR', null, null),
      (${debit}, 'wallet', ${wallet}, -1000, 'EUR', 4000, 0), (${debit}, 'sales', null, 1000, 'EUR', null, null)
  `;
  await sql`
    insert into idempotency_key (operation, key, fingerprint, command_id, claimed_until, response_status)
    values ('createOrder', 'k', 'f', ${open}, now(), 201)
  `;
  await sql`
    insert into attention (workflow_id, raised_at, order_id, step, reason)
    values (${`order-${open}`}, now(), ${open}, 'pay', 'payment_failing')
  `;
  await sql`
    insert into finding (id, kind, subject, finding, first_seen, last_seen)
    values
      (${counter}, 'stock_counter_wrong', 'MUG', 'test', now(), now()),
      (${units}, 'units_held_by_closed_order', ${`MUG/${open}`}, 'test', now(), now()),
      (${figures}, 'stats_wrong', '2026-01-01/EUR/MUG', 'test', now(), now()),
      (${failed}, 'look_failed', 'stock_counter_wrong', 'test', now(), now())
  `;
  await migrateDatabase(url);
  const database = openDatabase(url, { connections: 1, name: 'test' });
  try {
    await expectRulesHold(sql);
    // Which shop does each table say?
    for (const table of [
      'sku',
      'wallet',
      'orders',
      'reservation',
      'hold',
      'stock_movement',
      'transfer',
      'entry',
      'attention',
    ])
      expect([table, ...(await sql`select distinct shop_id from ${sql(table)}`)]).toEqual([
        table,
        { shop_id: MAIN_SHOP },
      ]);
    expect([...(await sql`select caller, shop_id from idempotency_key`)]).toEqual([
      { caller: '', shop_id: MAIN_SHOP },
    ]);
    const found = await sql<
      { id: string; subject: string; shop: string | null }[]
    >`select id, subject, shop_id as shop from finding`;
    expect(new Map(found.map(({ id, subject, shop }) => [id, [subject, shop]]))).toEqual(
      new Map([
        [counter, ['main/MUG', MAIN_SHOP]],
        [units, [`main/MUG/${open}`, MAIN_SHOP]],
        [figures, ['2026-01-01/main/EUR/MUG', MAIN_SHOP]],
        [failed, ['stock_counter_wrong', null]],
      ]),
    );
    // A workflow of 0.5 goes on: its requests name no shop.
    expect(await pay(database, payment(open))).toEqual({ stage: 'paid', reason: null, refusal: null });
    expect(await refund(database, refundOf(paid, true))).toMatchObject({ stage: 'refunded' });
    const late = anOrder({ walletId: wallet, buyerId: 'alice', lines: [{ sku: 'MUG', quantity: 1 }] });
    expect(await reserve(database, late)).toMatchObject({ stage: 'awaiting_payment' });
    await expectRulesHold(sql);
    // A writer says from now on whose it is.
    await expect(
      sql`insert into wallet (id, owner_id, currency) values (${randomUUID()}, 'alice', 'EUR')`,
    ).rejects.toThrow('null value in column "shop_id"');
  } finally {
    await database.close();
  }
});

test('what an installation of 0.6 has becomes the first month of its tables, every row of it, and its open orders and calls go on', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 10);
  const wallet = randomUUID();
  const at = (month: number) => uuidv7({ msecs: inMonths(month).getTime() });
  const [open, paid, ahead] = [uuidv7(), at(-14), at(2)];
  await sql`insert into sku (shop_id, sku, name, price, currency, on_hand, reserved) values ('main', 'MUG', 'Mug', 500, 'EUR', 9, 2)`;
  await sql`insert into wallet (shop_id, id, owner_id, currency, posted) values ('main', ${wallet}, 'alice', 'EUR', 4500)`;
  await sql`
    with placed as (
      insert into orders (
        shop_id, id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
      )
      values
        ('main', ${open}, 'alice', ${wallet}, 'debit', 'awaiting_payment', 'EUR', 500, now() + interval '1 hour', now(), now(), 1),
        ('main', ${ahead}, 'alice', ${wallet}, 'debit', 'awaiting_payment', 'EUR', 500, now() + interval '1 hour', now(), now(), 1),
        ('main', ${paid}, 'alice', ${wallet}, 'debit', 'paid', 'EUR', 500, now(), now(), now(), 2)
    ),
    event as (
      insert into order_event (order_id, version, from_stage, stage, at)
      values
        (${open}, 1, null, 'awaiting_payment', now()), (${ahead}, 1, null, 'awaiting_payment', now()),
        (${paid}, 1, null, 'awaiting_payment', now()), (${paid}, 2, 'awaiting_payment', 'paid', now())
    ),
    step as (
      insert into order_step (order_id, step, stage, command_id)
      values
        (${open}, 'reserve', 'awaiting_payment', default), (${ahead}, 'reserve', 'awaiting_payment', default),
        (${paid}, 'reserve', 'awaiting_payment', default), (${paid}, 'pay', 'paid', ${randomUUID()})
    ),
    line as (
      insert into order_line (order_id, sku, quantity, unit_price)
      values (${open}, 'MUG', 1, 500), (${ahead}, 'MUG', 1, 500), (${paid}, 'MUG', 1, 500)
    ),
    reserved as (
      insert into reservation (shop_id, order_id, sku, quantity, state)
      values
        ('main', ${open}, 'MUG', 1, 'held'), ('main', ${ahead}, 'MUG', 1, 'held'), ('main', ${paid}, 'MUG', 1, 'consumed')
    )
    insert into stock_movement (shop_id, id, sku, kind, quantity) values ('main', gen_random_uuid(), 'MUG', 'initial', 10)
  `;
  const [deposit, debit] = [randomUUID(), randomUUID()];
  await sql`
    insert into transfer (shop_id, id, kind, order_id)
    values ('main', ${deposit}, 'deposit', null), ('main', ${debit}, 'debit', ${paid})
  `;
  await sql`
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    values
      ('main', ${deposit}, 'wallet', ${wallet}, 5000, 'EUR', 5000, 0),
      ('main', ${deposit}, 'funding', null, -5000, 'EUR', null, null),
      ('main', ${debit}, 'wallet', ${wallet}, -500, 'EUR', 4500, 0), ('main', ${debit}, 'sales', null, 500, 'EUR', null, null)
  `;
  await sql`
    insert into idempotency_key (
      caller, operation, key, fingerprint, command_id, claimed_until, response_status, response_body
    )
    values
      ('key:one', 'createOrder', 'of 0.6', 'f', ${open}, now(), 201, '{"a":  1}'),
      ('', 'createOrder', 'of 0.5', 'f', ${paid}, now(), 201, '{"a":  2}'),
      ('key:one', 'payOrder', 'unanswered', 'f', ${ahead}, now(), null, null)
  `;
  await sql`
    insert into measurement (minute, name, value, subjects, at)
    values
      ('2024-01-01', 'busy_buyers', 1, '["a"]', '2024-01-01'), (${inMonths(0)}, 'busy_buyers', 2, '[]', now()),
      (${inMonths(3)}, 'busy_buyers', 3, '[]', now())
  `;
  const before = await Promise.all([
    sql`select * from order_event order by order_id, version`,
    sql`select caller, operation, key, fingerprint, command_id, response_status, response_body::text from idempotency_key order by key`,
    sql`select minute, name, value, subjects::text, at from measurement order by minute`,
  ]);
  // An event of 0.3 may have a text that breaks a rule of 0.4, which was never proved for old rows.
  const [rule] = await sql<{ text: string }[]>`
    select pg_get_constraintdef(oid) as text from pg_constraint where conname = 'order_event_reason'
  `;
  await plant(sql, async (to) => {
    await to`alter table order_event drop constraint order_event_reason`;
    await to`update order_event set reason = ' ' where order_id = ${paid} and version = 1`;
    await to.unsafe(`alter table order_event add constraint order_event_reason ${rule?.text}`);
  });

  await migrateDatabase(url);
  const after = await Promise.all([
    sql`select * from order_event order by order_id, version`,
    sql`select caller, operation, key, fingerprint, command_id, response_status, response_body::text from idempotency_key order by key`,
    sql`select minute, name, value, subjects::text, at from measurement order by minute`,
  ]);
  expect(after[0].filter(({ reason }) => reason === ' ')).toHaveLength(1);
  expect(after.map((rows) => rows.map((row) => ({ ...row, reason: null })))).toEqual(
    before.map((rows) => rows.map((row) => ({ ...row, reason: null }))),
  );
  const first = `before_${nameOf(inMonths(1))}`;
  expect(await rowsByMonth(sql, 'order_event')).toEqual({ [first]: 3, [nameOf(inMonths(2))]: 1 });
  expect(await rowsByMonth(sql, 'idempotency_key')).toEqual({ [first]: 3 });
  expect(await rowsByMonth(sql, 'measurement')).toEqual({ [first]: 2, [nameOf(inMonths(3))]: 1 });

  const database = openDatabase(url, { connections: 1, name: 'test' });
  try {
    await expectRulesHold(sql);
    for (const order of [open, ahead])
      expect(await pay(database, payment(order))).toEqual({ stage: 'paid', reason: null, refusal: null });
    expect(await refund(database, refundOf(paid, true))).toMatchObject({ stage: 'refunded' });
    const claim = (operation: string, key: string, caller = 'key:one') =>
      claimKey(
        database,
        {
          caller,
          shop: MAIN_SHOP,
          operation,
          key,
          fingerprint: 'f',
          earlierFingerprint: 'e',
          requestId: 'r',
        },
        at(1),
      );
    expect(await claim('createOrder', 'of 0.6')).toMatchObject({
      state: 'answered',
      answer: { body: '{"a":  1}' },
    });
    expect(await claim('createOrder', 'of 0.5')).toMatchObject({
      state: 'answered',
      answer: { body: '{"a":  2}' },
    });
    expect(await claim('createOrder', 'of 0.6', 'key:two')).toMatchObject({ state: 'claimed' });
    const taken = await claim('payOrder', 'unanswered');
    if (taken.state !== 'claimed') throw new Error(`The key is ${taken.state}.`);
    expect(taken.commandId).toBe(ahead);
    await keepAnswer(database, taken.kept, { status: 200, body: '{}' });
    expect(await claim('payOrder', 'unanswered')).toMatchObject({ state: 'answered' });
    await expectRulesHold(sql);
  } finally {
    await database.close();
  }
});
