/** Orders go on over the ends of months, whether a run has made the next month or not. */
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { createRetentionActivities } from '../../activities/retention.ts';
import { expectStatus } from '../../api/client.ts';
import { workerSettings } from '../../settings.ts';
import { retentionSettings } from '../../worker/retention-settings.ts';
import { breachesOfWorkflows, expectRulesHold } from '../support/database.ts';
import { inMonths, nameOf, rowsByMonth } from '../support/months.ts';
import { startSystem } from '../support/system.ts';
import { orderWorkflowsOf } from '../../client/inspection.ts';

const system = await startSystem();
const { shop, sql, temporal, database, client, taskQueue } = system;
const { makeMonths, dropMonths } = createRetentionActivities(
  database,
  retentionSettings(workerSettings({ DATABASE_URL: 'postgres://h', TEMPORAL_ADDRESS: 'h:1' })),
  () => Promise.resolve(0),
);

test('orders that are placed, paid and refunded while the date moves over two ends of months keep every row, before, while and after their months are made', async () => {
  const [walletId, sku] = await Promise.all([shop.wallet(1_000_000), shop.sku(1_000)]);
  // No run has made these.
  const months = [5, 6, 7].map(inMonths);
  const place = async (month: Date) => {
    const orderId = uuidv7({ msecs: month.getTime() });
    const placed = await temporal.place({
      orderId,
      shopId: 'main',
      buyerId: 'buyer',
      walletId,
      paymentMode: 'debit',
      lines: [{ sku, quantity: 1 }],
      paymentWindow: 900_000,
      attentionAfter: 120_000,
    });
    expect(placed).toMatchObject({ stage: 'awaiting_payment' });
    return orderId;
  };
  const paid: string[] = [];
  let open: string[] = [];
  for (const month of months) {
    // What was placed in the month before is paid and refunded as the date moves, and a run makes the months in the same moment.
    const due = open;
    const [, placed] = await Promise.all([
      Promise.all(due.map(async (orderId) => expectStatus(await shop.pay(orderId), 200))),
      Promise.all(Array.from({ length: 5 }, () => place(month))),
      month === months[0] ? undefined : makeMonths({ at: month.toISOString() }),
      dropMonths({ at: month.toISOString() }),
    ]);
    paid.push(...due);
    open = placed;
  }
  await Promise.all([
    ...open.map(async (orderId) => expectStatus(await shop.pay(orderId), 200)),
    ...paid.map(async (orderId) =>
      expectStatus(await shop.refundOrder(orderId, { reason: 'test', restock: true }), 200),
    ),
  ]);
  await makeMonths({ at: inMonths(7).toISOString() });
  const [first, second, third] = months.map(nameOf);
  expect(await rowsByMonth(sql, 'order_event')).toEqual({
    [first ?? '']: 5 * 3,
    [second ?? '']: 5 * 3,
    [third ?? '']: 5 * 2,
  });
  await expectRulesHold(sql);
  expect(await breachesOfWorkflows(database, orderWorkflowsOf(client, taskQueue))).toEqual([]);
});
