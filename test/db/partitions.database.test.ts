/** What grows is kept in months that are made ahead and dropped by policy, and no write waits for any of it or fails because of it. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { claimKey, keepAnswer } from '../../db/idempotency.ts';
import { makeMonths, tablesInMonths } from '../../db/partitions.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { dropEveryMonth, inMonths, nameOf, rowsByMonth } from '../support/months.ts';
import { anOrder, payment, releaseTo } from '../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../support/stock.ts';
import { until } from '../support/until.ts';

const { database, sql } = await freshDatabase();
const { reserve, pay, release } = createActivities(database);

afterEach(() => expectRulesHold(sql));

const openShop = async () => {
  const [walletId, sku] = await Promise.all([
    fundedWallet(sql, { funds: 100_000_000 }),
    stockedSku(sql, { onHand: 1_000_000, price: 1 }),
  ]);
  return { walletId, sku };
};
const everyones = await openShop();
const { walletId, sku } = everyones;

/** An order that is paid, of this time. */
async function paidOrder(at: Date, its = everyones) {
  const order = anOrder({
    orderId: uuidv7({ msecs: at.getTime() }),
    walletId: its.walletId,
    lines: [{ sku: its.sku, quantity: 1 }],
    at: at.toISOString(),
  });
  await reserve(order);
  expect(await pay({ ...payment(order.orderId), at: at.toISOString() })).toMatchObject({ stage: 'paid' });
  return order.orderId;
}

async function answeredKey(at: Date) {
  const call = {
    caller: 'key:one',
    shop: 'main',
    operation: 'createOrder',
    key: randomUUID(),
    requestId: 'r',
    fingerprint: 'f',
    earlierFingerprint: 'e',
  };
  const claim = await claimKey(database, call, uuidv7({ msecs: at.getTime() }));
  if (claim.state !== 'claimed') throw new Error(`The key is ${claim.state}.`);
  await keepAnswer(database, claim.kept, { status: 409, body: '{}' });
  return { call, commandId: claim.commandId };
}

const measure = (at: Date) => sql`
  insert into measurement (minute, name, value, subjects, at) values (${at}, 'busy_buyers', 0, '[]', ${at})
`;

const make = async (table: string, at: Date, ahead = 3) => {
  const made = await makeMonths(database, { table, at: at.toISOString(), ahead });
  if (made.state === 'busy') throw new Error(`${table} was in use.`);
  return made.months.map(({ partition, moved }) => [partition.replace(`${table}_`, ''), moved]);
};

const TABLES = ['idempotency_key', 'measurement', 'order_event'] as const;
const never = new Date(0);

describe('when no month has been made', () => {
  test('writes of this month and of two months ahead find their place, and move into their months later with all that holds them', async () => {
    for (const table of TABLES) await dropEveryMonth(sql, table);
    const months = [inMonths(0), inMonths(1), inMonths(2)];
    for (const month of months) {
      await paidOrder(month);
      await answeredKey(month);
      await measure(month);
    }
    expect(await rowsByMonth(sql, 'order_event')).toEqual({ default: 6 });
    expect(await rowsByMonth(sql, 'idempotency_key')).toEqual({ default: 3 });
    expect(await rowsByMonth(sql, 'measurement')).toEqual({ default: 3 });

    // The month of the run is the second one: a month behind it is needed, too.
    const names = [...months, inMonths(3)].map(nameOf);
    const each = (rows: number) => names.map((name, index) => [name, index < 3 ? rows : 0]);
    expect(await make('order_event', inMonths(1), 2)).toEqual(each(2));
    expect(await make('idempotency_key', inMonths(1), 2)).toEqual(each(1));
    expect(await make('measurement', inMonths(1), 2)).toEqual(each(1));
    for (const [table, rows] of [
      ['order_event', 2],
      ['idempotency_key', 1],
      ['measurement', 1],
    ] as const)
      expect(await rowsByMonth(sql, table)).toEqual(
        Object.fromEntries(names.slice(0, 3).map((name) => [name, rows])),
      );
  });

  test('rows of a time that no month is made for stay where they are', async () => {
    const [far] = [uuidv7({ msecs: inMonths(120).getTime() })];
    const order = anOrder({ orderId: far, walletId, lines: [{ sku, quantity: 1 }] });
    await reserve(order);
    expect(await make('order_event', inMonths(0), 3)).toEqual([]);
    expect(await rowsByMonth(sql, 'order_event')).toMatchObject({ default: 1 });
    await release(releaseTo(far, 'expired'));
    expect(await rowsByMonth(sql, 'order_event')).toMatchObject({ default: 2 });
  });
});

describe('a month of events', () => {
  const partitions = async () => {
    const found = await sql<{ name: string; from: string | null; isDefault: boolean }[]>`
      select partition::text as name, "from", is_default as "isDefault" from month_partition where table_name = 'order_event'
    `;
    return [...found];
  };

  test('refuses a gap in the path of an order, a move that is none, an order that does not exist, and every change', async () => {
    await make('order_event', inMonths(0), 5);
    const months = await partitions();
    expect(months.length).toBeGreaterThan(5);
    for (const { name, from, isDefault } of months) {
      const at = isDefault ? inMonths(200) : new Date(`${from ?? '2001-01-01'}T00:00:00Z`);
      const order = anOrder({
        orderId: uuidv7({ msecs: at.getTime() + 1 }),
        walletId,
        lines: [{ sku, quantity: 1 }],
      });
      await reserve(order);
      const [where] = await sql<{ name: string }[]>`
        select tableoid::regclass::text as name from order_event where order_id = ${order.orderId}
      `;
      expect(where?.name).toBe(name);
      const record = (
        orderId: string,
        version: number,
        fromStage: string | null,
        to: string,
        reason: string | null = null,
      ) => sql`
        insert into order_event (order_id, version, from_stage, stage, reason, at)
        values (${orderId}, ${version}, ${fromStage}, ${to}, ${reason}, now())
      `;
      await expect(record(order.orderId, 3, 'awaiting_payment', 'paid')).rejects.toThrow(
        'order_event_follows',
      );
      await expect(record(order.orderId, 2, 'paid', 'refunded')).rejects.toThrow('order_event_follows');
      await expect(record(order.orderId, 2, 'awaiting_payment', 'refunded')).rejects.toThrow(
        'order_event_move',
      );
      await expect(record(order.orderId, 2, 'awaiting_payment', 'paid', '')).rejects.toThrow(
        'order_event_reason',
      );
      await expect(record(order.orderId, 1, null, 'rejected')).rejects.toThrow('duplicate key');
      const nobody = uuidv7({ msecs: at.getTime() + 2 });
      await expect(record(nobody, 1, null, 'rejected')).rejects.toThrow('order_event_order_id_orders_id_fk');
      for (const table of ['order_event', name]) {
        await expect(sql`update ${sql(table)} set reason = 'x'`).rejects.toThrow('never changed');
        await expect(sql`delete from ${sql(table)}`).rejects.toThrow('never changed');
        await expect(sql`truncate ${sql(table)}`).rejects.toThrow('never changed');
      }
      await release(releaseTo(order.orderId, 'expired'));
    }
  });
});

describe('an order rests at its last event', () => {
  const orderIds = () => [
    uuidv7(),
    uuidv7({ msecs: inMonths(1).getTime() }),
    uuidv7({ msecs: inMonths(2).getTime() }),
  ];
  /** One statement for all orders, as the reservation queue's. */
  const record = (orders: string[], events: string[]) => sql`
    with placed as (
      insert into orders (
        shop_id, id, buyer_id, wallet_id, payment_mode, stage, payment_deadline, created_at, updated_at, version
      )
      select 'main', id, 'buyer', ${walletId}, 'debit', 'rejected', now(), now(), now(), 1
      from jsonb_to_recordset(${JSON.stringify(orders.map((id) => ({ id })))}::jsonb) as row (id uuid)
    ),
    step as (
      insert into order_step (order_id, step, stage)
      select id, 'reserve', 'rejected'
      from jsonb_to_recordset(${JSON.stringify(orders.map((id) => ({ id })))}::jsonb) as row (id uuid)
    ),
    line as (
      insert into order_line (order_id, sku, quantity)
      select id, 'X', 1 from jsonb_to_recordset(${JSON.stringify(orders.map((id) => ({ id })))}::jsonb) as row (id uuid)
    )
    insert into order_event (order_id, version, stage, at)
    select id, 1, 'rejected', now()
    from jsonb_to_recordset(${JSON.stringify(events.map((id) => ({ id })))}::jsonb) as row (id uuid)
  `;

  test('also when one statement places several, in several months', async () => {
    const orders = orderIds();
    await record(orders, orders);
    expect(await sql`select from orders where id in ${sql(orders)}`).toHaveLength(3);
  });

  test('and one statement is refused when one of its orders does not, by the name of the constraint', async () => {
    const orders = orderIds();
    await expect(record(orders, orders.slice(0, 2))).rejects.toMatchObject({
      code: '23503',
      constraint_name: 'orders_at_last_event',
      table_name: 'orders',
    });
    expect(await sql`select from orders where id in ${sql(orders)}`).toHaveLength(0);
  });

  test('and neither its stage nor its version changes without one', async () => {
    const id = await paidOrder(new Date());
    for (const change of [sql`stage = 'refunded', refunded = total`, sql`version = 3`, sql`version = 1`])
      await expect(sql`update orders set ${change} where id = ${id}`).rejects.toThrow('orders_at_last_event');
    await sql`update orders set updated_at = updated_at where id = ${id}`;
  });
});

describe('while others use a table', () => {
  test('orders are placed and paid, and keys claimed and answered, without an error as months are made and filled', async () => {
    const FIRST = 20;
    const over = new AbortController();
    let done = 0;
    const writer = async (month: number) => {
      // Of its own: nobody waits for a row of another writer, who may be waiting for the table.
      const its = await openShop();
      while (!over.signal.aborted) {
        await paidOrder(inMonths(FIRST + (month % 3)), its);
        await answeredKey(inMonths(FIRST + (month % 3)));
        done += 1;
      }
    };
    const writers = Array.from({ length: 4 }, (_, index) => writer(index));
    let moved = 0;
    let months = 0;
    try {
      for (let round = 0; round < 3; round += 1) {
        // Until the rows that wait for their months are some.
        const before = done;
        await until('the next orders', () => Promise.resolve(done >= before + 20));
        for (const table of await tablesInMonths(database)) {
          const made = await makeMonths(database, {
            table,
            at: inMonths(FIRST + round).toISOString(),
            ahead: 0,
          });
          if (made.state === 'busy') continue;
          months += made.months.length;
          for (const month of made.months) moved += month.moved;
        }
      }
    } finally {
      over.abort();
      await Promise.all(writers);
    }
    expect(months).toBeGreaterThan(3);
    expect(moved).toBeGreaterThan(30);
  }, 60_000);

  test('two runs at once make each month once', async () => {
    await dropEveryMonth(sql, 'measurement');
    const made = await Promise.all([0, 1, 2].map(() => make('measurement', inMonths(0), 4)));
    expect(made.flat()).toHaveLength(5);
  });

  test('somebody who reads it for long is not cut off, and makes nobody else wait for long', async () => {
    await dropEveryMonth(sql, 'measurement');
    await sql.begin(async (reader) => {
      await reader`select count(*) from measurement`;
      const startedAt = performance.now();
      const making = expect(sql`select make_months_of('measurement', now(), 0)`).rejects.toMatchObject({
        code: '55P03',
      });
      await measure(inMonths(1));
      await making;
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    });
    await expect(make('measurement', never, 0)).resolves.toEqual([['1970_01', 0]]);
  });
});
