/** Many buyers compete for a few units through the API. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { obey } from '../support/obey.ts';
import { expectRulesHold } from '../support/database.ts';
import type { Answer } from '../support/answer.ts';
import { idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';

const { shop, sql } = await startSystem();

test('200 buyers who compete for 50 units get 50 orders and 150 clean refusals', async () => {
  const sku = await shop.sku(50);
  const wallets = await Promise.all(Array.from({ length: 200 }, () => shop.wallet(500)));

  const answers = await Promise.all(wallets.map((wallet) => buy(wallet, sku)));
  const orders = answers.filter(({ status }) => status === 201);
  const refusals = answers.filter(({ status }) => status !== 201);
  expect(orders).toHaveLength(50);
  expect(refusals.map(({ status, body }) => `${status} ${String(body['code'])}`)).toEqual(
    Array.from({ length: 150 }, () => '409 out_of_stock'),
  );
  expect(await shop.stockOf(sku)).toEqual({ onHand: 50, reserved: 50, available: 0 });

  const payments = await Promise.all(orders.map((order) => shop.pay(idOf(order))));
  expect(payments.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
  expect(await shop.stockOf(sku)).toEqual({ onHand: 0, reserved: 0, available: 0 });
  await expectRulesHold(sql);
}, 60_000);

/** As callers do: waits as long as a busy system asks, and sends the same key until there is a final answer. */
function buy(wallet: string, sku: string): Promise<Answer> {
  const key = randomUUID();
  return obey(() => shop.order(wallet, [{ sku, quantity: 1 }], {}, { key }));
}
