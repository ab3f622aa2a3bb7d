/** Orders that 0.7 refunded are orders that are refunded, after the migration as before. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { openDatabase } from '../../db/connection.ts';
import { migrateDatabase } from '../../db/migrate.ts';
import type { Queryable } from '../../db/postgres.ts';
import { listRefunds } from '../../db/refunds.ts';
import { compareAllDays } from '../../db/repairs/figures.ts';
import { countPending } from '../../db/stats/count.ts';
import { resumeCounting } from '../../db/stats/pause.ts';
import { refund } from '../../db/steps/refund.ts';
import { expectRulesHold } from '../support/database.ts';
import { emptyDatabase, migrateUpTo } from '../support/earlier-release.ts';
import { inMonths } from '../support/months.ts';
import { plant } from '../support/planted.ts';
import { AT } from '../support/step-requests.ts';

/** The last migration of 0.7. */
const RELEASE_0_7 = 16;

interface Refunded {
  /** The order, of 3 mugs at 500 and 1 spoon at 70. */
  id: string;
  command: string | null;
  isRestocked: boolean;
  reason: string;
  hasEvents: boolean;
}

/** As 0.7 wrote it, step by step, in the end. */
async function writeRefunded(to: Queryable, wallet: string, order: Refunded): Promise<void> {
  const { id, command, isRestocked, reason, hasEvents } = order;
  const [debit, refunded] = [uuidv7(), uuidv7()];
  await to`
    insert into orders (
      shop_id, id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total, payment_deadline, created_at, updated_at, version
    )
    values ('main', ${id}, 'buyer', ${wallet}, 'debit', 'refunded', ${reason}, 'EUR', 1570, ${AT}, ${AT}, ${AT}, 3)
  `;
  await to`
    insert into order_line (order_id, sku, quantity, unit_price) values (${id}, 'MUG', 3, 500), (${id}, 'SPOON', 1, 70)
  `;
  await to`
    insert into order_step (order_id, step, command_id, stage, reason)
    values
      (${id}, 'reserve', default, 'awaiting_payment', null), (${id}, 'pay', ${randomUUID()}, 'paid', null),
      (${id}, 'refund', default, 'refunded', ${reason})
  `;
  if (hasEvents)
    await to`
      insert into order_event (order_id, version, from_stage, stage, reason, command_id, at)
      values
        (${id}, 1, null, 'awaiting_payment', null, null, ${AT}), (${id}, 2, 'awaiting_payment', 'paid', null, ${randomUUID()}, ${AT}),
        (${id}, 3, 'paid', 'refunded', ${reason}, ${command}, ${AT})
    `;
  await to`
    insert into reservation (shop_id, order_id, sku, quantity, state)
    values ('main', ${id}, 'MUG', 3, 'consumed'), ('main', ${id}, 'SPOON', 1, 'consumed')
  `;
  await to`
    insert into transfer (shop_id, id, kind, order_id) values ('main', ${debit}, 'debit', ${id}), ('main', ${refunded}, 'refund', ${id})
  `;
  await to`
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    values
      ('main', ${debit}, 'wallet', ${wallet}, -1570, 'EUR', 8430, 0), ('main', ${debit}, 'sales', null, 1570, 'EUR', null, null),
      ('main', ${refunded}, 'wallet', ${wallet}, 1570, 'EUR', 10000, 0), ('main', ${refunded}, 'sales', null, -1570, 'EUR', null, null)
  `;
  if (isRestocked)
    await to`
      insert into stock_movement (shop_id, id, sku, kind, quantity, order_id)
      values ('main', gen_random_uuid(), 'MUG', 'return', 3, ${id}), ('main', gen_random_uuid(), 'SPOON', 'return', 1, ${id})
    `;
}

/** Money that was taken for an order that is over, which reconciliation gave back: no refund of a paid order. */
async function writeGivenBack(to: Queryable, wallet: string, id: string): Promise<void> {
  await writeRefunded(to, wallet, {
    id,
    command: null,
    isRestocked: false,
    reason: 'late',
    hasEvents: false,
  });
  await to`update orders set stage = 'expired', version = 2 where id = ${id}`;
  await to`update reservation set state = 'released' where order_id = ${id}`;
  await to`delete from order_step where order_id = ${id} and step <> 'reserve'`;
  await to`
    insert into order_event (order_id, version, from_stage, stage, at)
    values (${id}, 1, null, 'awaiting_payment', ${AT}), (${id}, 2, 'awaiting_payment', 'expired', ${AT})
  `;
}

/** Runs it while a CHECK that rows from before it never passed is not there. */
async function withoutCheck(
  to: Queryable,
  table: string,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const [check] = await to<{ definition: string }[]>`
    select pg_get_constraintdef(oid) as definition from pg_constraint where conname = ${name} and not convalidated
  `;
  if (!check) throw new Error(`There is no check ${name} that is not validated.`);
  await to`alter table ${to(table)} drop constraint ${to(name)}`;
  await work();
  await to`alter table ${to(table)} add constraint ${to(name)} ${to.unsafe(check.definition)}`;
}

test('orders that 0.7 refunded, restocked or not, keep their command and their figures, and obey every rule', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, RELEASE_0_7);
  const [wallet, deposit] = [randomUUID(), randomUUID()];
  const restocked = { id: uuidv7(), command: uuidv7(), isRestocked: true, reason: 'broken', hasEvents: true };
  const kept = { id: uuidv7(), command: uuidv7(), isRestocked: false, reason: 'broken', hasEvents: true };
  const byWebUi = { id: uuidv7(), command: null, isRestocked: true, reason: 'cancelled', hasEvents: true };
  // Their events went with their month.
  const longAgo = () => uuidv7({ msecs: inMonths(-14).getTime() });
  const old = { id: longAgo(), command: null, isRestocked: true, reason: 'broken', hasEvents: false };
  // From before there was a rule for reasons.
  const blank = { ...old, id: longAgo(), reason: ' ' };
  const givenBack = uuidv7();
  await plant(sql, async (to) => {
    await to`
      insert into sku (shop_id, sku, name, price, currency, on_hand)
      values ('main', 'MUG', 'Mug', 500, 'EUR', 97), ('main', 'SPOON', 'Spoon', 70, 'EUR', 99)
    `;
    await to`
      insert into stock_movement (shop_id, id, sku, kind, quantity)
      values ('main', gen_random_uuid(), 'MUG', 'initial', 100), ('main', gen_random_uuid(), 'SPOON', 'initial', 100)
    `;
    await to`insert into wallet (shop_id, id, owner_id, currency, posted) values ('main', ${wallet}, 'buyer', 'EUR', 10000)`;
    await to`insert into transfer (shop_id, id, kind) values ('main', ${deposit}, 'deposit')`;
    await to`
      insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
      values
        ('main', ${deposit}, 'wallet', ${wallet}, 10000, 'EUR', 10000, 0),
        ('main', ${deposit}, 'funding', null, -10000, 'EUR', null, null)
    `;
    await to`
      insert into dropped_partition (table_name, partition, "from", "to", rows)
      values ('order_event', 'order_event_old', ${inMonths(-15)}::date, ${inMonths(-13)}::date, 3)
    `;
    for (const order of [restocked, kept, byWebUi, old]) await writeRefunded(to, wallet, order);
    await writeGivenBack(to, wallet, givenBack);
  });
  await withoutCheck(sql, 'orders', 'orders_reason', () =>
    withoutCheck(sql, 'order_step', 'order_step_reason', () =>
      plant(sql, (to) => writeRefunded(to, wallet, blank)).then(() => {}),
    ),
  );

  const of07 = openDatabase(url, { connections: 1, name: 'test' });
  await countPending(of07, 10_000);
  await of07.close();
  await migrateDatabase(url);
  const database = openDatabase(url, { connections: 2, name: 'test' });
  try {
    await expectRulesHold(sql);
    expect(await compareAllDays(database)).toEqual([]);
    await resumeCounting(database);

    const all = { after: 0, limit: 10 };
    for (const { id, command, isRestocked, reason } of [restocked, kept, byWebUi, old])
      expect(await listRefunds(database, id, all)).toMatchObject([
        {
          version: 3,
          commandId: command,
          amount: 1_570,
          currency: 'EUR',
          reason,
          lines: [
            { sku: 'MUG', quantity: 3, amount: 1_500, restocked: isRestocked },
            { sku: 'SPOON', quantity: 1, amount: 70, restocked: isRestocked },
          ],
        },
      ]);
    expect(await listRefunds(database, blank.id, all)).toMatchObject([{ reason: ' ' }]);
    expect(await listRefunds(database, givenBack, all)).toEqual([]);

    // A refund that 0.7 made before its workflow heard of it, and one that comes only now.
    const request = { orderId: restocked.id, reason: 'broken', restock: true, at: AT };
    const own = { ...request, commandId: restocked.command };
    expect(await refund(database, own)).toEqual({ stage: 'refunded', reason: 'broken', refusal: null });
    const another = { ...request, commandId: uuidv7() };
    expect(await refund(database, another)).toMatchObject({ refusal: 'order_not_refundable' });
    const cancel = { ...request, orderId: byWebUi.id, commandId: null };
    expect(await refund(database, cancel)).toMatchObject({ stage: 'refunded', refusal: null });
    await expectRulesHold(sql);
  } finally {
    await database.close();
  }
});
