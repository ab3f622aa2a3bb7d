/** Figures that differ from their events are found and repaired, and compared while no event is counted. */
import { expect, onTestFinished, test } from 'vitest';
import { createActivities } from '../../../activities/order.ts';
import type { Database } from '../../../db/connection.ts';
import { compareDay } from '../../../db/stats/compare.ts';
import { countSome } from '../../../db/stats/count.ts';
import { pauseCounting, resumeCounting } from '../../../db/stats/pause.ts';
import { DAY, countedShop, freshCurrency } from '../../support/counted-shop.ts';
import { plant } from '../../support/planted.ts';
import { reconciling } from '../../support/reconciling.ts';
import { refundOf } from '../../support/step-requests.ts';
import { startSystem } from '../../support/system.ts';

const system = await startSystem();
const { sql, database } = system;
const { figuresIn, countAll, listFindings, market } = countedShop(system);
const { reconcile } = reconciling(system);
const { refund } = createActivities(database);

test('a figure that differs from its events is found with both values, and repaired only on request', async () => {
  const { currency, sku, paid } = await market();
  await refund(refundOf(await paid(), true));
  await paid();
  await countAll();
  const [shopWide, ofSku] = [`${DAY}/main/${currency}`, `${DAY}/main/${currency}/${sku}`];
  await sql`update stat set revenue = revenue + 7, placed = 1 where currency = ${currency} and sku = ''`;
  await sql`delete from stat where currency = ${currency} and sku = ${sku}`;
  expect(await reconcile()).toMatchObject({ found: 2, repaired: 0 });
  const found = (await listFindings()).filter(({ subject }) => subject.includes(currency));
  expect(found).toMatchObject([
    {
      subject: shopWide,
      state: 'open',
      finding: 'placed 1, by the events 2; revenue 3007, by the events 3000',
    },
    {
      subject: ofSku,
      state: 'open',
      finding: expect.stringContaining('units returned 0, by the events 3'),
    },
  ]);
  expect(await figuresIn(currency)).toMatchObject({ revenue: 3_007 });

  expect(await reconcile(true)).toMatchObject({ found: 2, repaired: 2 });
  const repaired = (await listFindings()).filter(({ subject }) => subject.includes(currency));
  expect(repaired).toMatchObject([
    { state: 'repaired', before: { revenue: 3_007, placed: 1 }, after: { revenue: 3_000, placed: 2 } },
    { state: 'repaired', before: { paid: 0 }, after: { paid: 2, refunded: 1 } },
  ]);
  expect(await figuresIn(currency, `&sku=${sku}`)).toMatchObject({ revenue: 3_000, unitsReturned: 3 });
  expect(await reconcile()).toMatchObject({ found: 0 });
});

test('a figure is found wrong when an event was lost before it was counted, counted twice, or made up', async () => {
  const { currency, paid } = await market();
  await paid();
  await countAll();
  const lost = await paid();
  await sql`delete from stat_pending where order_id = ${lost} and version = 2`;
  await sql`insert into stat_pending (order_id, version) values (${lost}, 1)`;
  await sql`
      insert into stat (
        sku, day, currency, placed, rejected, paid, cancelled, expired, refunded, revenue, refunds, units_sold, units_returned, shop_id
      )
      select sku, '1999-12-31', currency, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, shop_id
      from stat where currency = ${currency} and sku = ''
    `;
  await reconcile();
  const found = (await listFindings()).filter(({ subject }) => subject.endsWith(currency));
  expect(found).toMatchObject([
    { subject: `1999-12-31/main/${currency}`, finding: 'placed 1, by the events 0' },
    {
      finding: expect.stringContaining('placed 3, by the events 2; paid 1, by the events 2; revenue 1500'),
    },
  ]);
  await reconcile(true);
  expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 2, paid: 2 }, revenue: 3_000 });
});

/** The shop's first orders of a day that no other test uses, as many as take several pages, with one event each. */
async function plantDay(day: string, orders: number): Promise<void> {
  const currency = freshCurrency();
  // They have no more than what is counted: other tests would find them broken.
  onTestFinished(async () => {
    await plant(sql, async (to) => {
      await to`delete from order_event using orders where order_id = id and buyer_id = ${day}`;
      await to`delete from orders where buyer_id = ${day}`;
      await to`delete from stat where day = ${day}`;
    });
  });
  await plant(sql, async (transaction) => {
    await transaction`
        insert into orders (
          shop_id, id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
        )
        select
          'main', lpad(to_hex(number), 32, '0')::uuid, ${day}, gen_random_uuid(), 'debit', 'rejected', ${currency}, 1, now(),
          now(), now(), 1
        from generate_series(1, ${orders}::integer) as number
      `;
    // Many at the same time, so that pages end between events of one instant.
    await transaction`
        insert into order_event (order_id, version, stage, reason, at)
        select id, 1, 'rejected', 'planted', ${day}::text::timestamptz + row_number() over (order by id) % 10 * interval '1 hour'
        from orders where buyer_id = ${day}
      `;
  });
}

test('a day of figures is compared in as many pages as it takes, including the last event of the day', async () => {
  const DAY_OF_MANY = '2020-02-29';
  await plantDay(DAY_OF_MANY, 5_000);
  const [late] = await sql`
      select order_id from order_event
      where at >= ${DAY_OF_MANY} and at < '2020-03-01' order by at desc, order_id desc limit 1
    `;
  await plant(sql, async (transaction) => {
    await transaction`
        update order_event set at = '2020-02-29 23:59:59.999Z' where order_id = ${String(late?.['order_id'])}
      `;
  });
  await countAll();
  let pages = 0;
  expect(await compareDay(database, DAY_OF_MANY, () => (pages += 1))).toMatchObject({ differences: [] });
  expect(pages).toBe(3);
  await sql`update stat set rejected = rejected + 1 where day = ${DAY_OF_MANY}`;
  expect(await compareDay(database, DAY_OF_MANY)).toMatchObject({
    differences: [{ counted: { rejected: 5_001n }, source: { rejected: 5_000n } }],
  });
  await resumeCounting(database);
  await reconcile(true);
});

test('no event is counted while counting is paused for a comparison', async () => {
  const { currency, paid } = await market();
  await pauseCounting(database);
  await paid();
  expect(await countSome(database, 1_000)).toBe('paused');
  expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 0 } });
  const counting = countAll();
  await resumeCounting(database);
  expect(await counting).toMatchObject({ isDone: true });
  expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 1, paid: 1 } });
});

test('a day of figures is compared again when events were counted in spite of the pause', async () => {
  const { currency, paid } = await market();
  await paid();
  await countAll();
  let pages = 0;
  const late = async (): Promise<void> => {
    pages += 1;
    if (pages > 1) return;
    await paid();
    await resumeCounting(database);
    await countAll();
  };
  // Stands still after its first page for as long as the others wait.
  const slow: Database = {
    ...database,
    run: async (query) => {
      const result = await database.run(query);
      const isPage = JSON.stringify(result)?.includes('"next"') ?? false;
      if (isPage) await late();
      return result;
    },
  };
  expect(await compareDay(slow, DAY)).toMatchObject({ differences: [] });
  expect(pages).toBeGreaterThan(1);
  await resumeCounting(database);
  expect(await figuresIn(currency)).toMatchObject({ orders: { paid: 2 } });
});
