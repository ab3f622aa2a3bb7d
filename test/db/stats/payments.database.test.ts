/** The shop's figures of orders that were paid in parts are those of orders that were paid at once. */
import { expect, test } from 'vitest';
import { compareDay } from '../../../db/stats/compare.ts';
import { countPending } from '../../../db/stats/count.ts';
import { readStats } from '../../../db/stats/read.ts';
import { extendDeadline } from '../../../db/steps/payments/extend-deadline.ts';
import { openPayment } from '../../../db/steps/payments/open-payment.ts';
import { DAY } from '../../support/counted-shop.ts';
import { freshDatabase } from '../../support/database.ts';
import { openShopWithPayments } from '../../support/payment-plantings.ts';
import { AT, payment } from '../../support/step-requests.ts';

const { database, sql } = await freshDatabase();

test('orders paid in parts, given back in parts and put off count once, with their money and units', async () => {
  const { underWay, sku } = await openShopWithPayments({ database, sql });
  await openPayment(database, { ...payment(underWay), method: 'provider', amount: 100 });
  await extendDeadline(database, { orderId: underWay, paymentDeadline: AT, at: AT });
  await countPending(database, 20_000);
  const figuresOf = async (ofSku?: string) =>
    (await readStats(database, { shop: 'main', from: DAY, to: DAY, sku: ofSku })).days.map(
      ({ figures }) => figures,
    );
  const counted = { placed: 8n, rejected: 0n, paid: 4n, cancelled: 1n, expired: 2n, refunded: 0n };
  const made = { ...counted, revenue: 4_000n, units_sold: 8n, units_returned: 0n };
  expect(await figuresOf()).toEqual([{ ...made, refunds: 950n }]);
  // An amount is no unit's.
  expect(await figuresOf(sku)).toEqual([{ ...made, refunds: 0n }]);
  expect((await compareDay(database, DAY)).differences).toEqual([]);
});
