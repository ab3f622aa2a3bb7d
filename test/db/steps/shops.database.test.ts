/** Shops that share a database share nothing else: the same code is another SKU, and a wallet is good only for those who may use it. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../../activities/order.ts';
import { checkRules } from '../../../db/rules/rules.ts';
import { countPending } from '../../../db/stats/count.ts';
import { readStats } from '../../../db/stats/read.ts';
import { reserveAll } from '../../../db/steps/reserve.ts';
import type { PlacedOrder } from '../../../db/steps/step.ts';
import { ALL_SHOPS } from '../../../domain/shops.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { AT, anOrder, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { fundedWallet, openShop, stockedSku } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();
const { reserve, abandon, pay, release, refund, raiseAttention, recordIntervention } =
  createActivities(database);
afterEach(() => expectRulesHold(sql));

const CODE = 'MUG';

/** A shop that sells mugs, and a buyer's wallet in it. */
async function open({ onHand, price }: { onHand: number; price: number }) {
  const shopId = await openShop(sql);
  await stockedSku(sql, { shopId, sku: CODE, onHand, price });
  const walletId = await fundedWallet(sql, { shopId, funds: 10_000 });
  const order = (quantity: number, more: Partial<PlacedOrder> = {}) =>
    anOrder({ shopId, walletId, lines: [{ sku: CODE, quantity }], ...more });
  const stock = async () => {
    const [units] =
      await sql`select on_hand as "onHand", reserved from sku where shop_id = ${shopId} and sku = ${CODE}`;
    return units;
  };
  const balance = async () => (await sql`select posted, held from wallet where id = ${walletId}`)[0];
  return { shopId, walletId, order, stock, balance };
}

const GRANTED = expect.objectContaining({ stage: 'awaiting_payment', reason: null, refusal: null });
const rejected = (reason: string) => ({ stage: 'rejected', reason, refusal: null });

describe('two shops that sell under one code', () => {
  test('keep their own units and prices through every step', async () => {
    const [cafe, bar] = [await open({ onHand: 5, price: 500 }), await open({ onHand: 2, price: 900 })];
    const untouched = [await bar.stock(), await bar.balance()];
    const theirs = async () => [await bar.stock(), await bar.balance()];

    const [paid, held, given] = [cafe.order(2), cafe.order(1, { paymentMode: 'hold' }), cafe.order(1)];
    for (const order of [paid, held, given]) expect(await reserve(order)).toEqual(GRANTED);
    expect(await cafe.stock()).toEqual({ onHand: 5, reserved: 4 });
    expect(await cafe.balance()).toEqual({ posted: 10_000, held: 500 });
    expect(await theirs()).toEqual(untouched);

    for (const { orderId } of [paid, held])
      expect(await pay(payment(orderId))).toMatchObject({ stage: 'paid' });
    expect(await release(releaseTo(given.orderId, 'expired'))).toMatchObject({ stage: 'expired' });
    expect(await cafe.stock()).toEqual({ onHand: 2, reserved: 0 });
    expect(await cafe.balance()).toEqual({ posted: 8_500, held: 0 });
    expect(await theirs()).toEqual(untouched);

    expect(await refund(refundOf(paid.orderId, true))).toMatchObject({ stage: 'refunded' });
    expect(await cafe.stock()).toEqual({ onHand: 4, reserved: 0 });
    expect(await cafe.balance()).toEqual({ posted: 9_500, held: 0 });
    expect(await theirs()).toEqual(untouched);

    // The price is the shop's own.
    const dear = bar.order(1);
    expect(await reserve(dear)).toEqual(GRANTED);
    expect(await sql`select total from orders where id = ${dear.orderId}`).toEqual([{ total: 900 }]);
  });

  test('run out of units one at a time, also when one statement reserves for both', async () => {
    const [cafe, bar] = [await open({ onHand: 3, price: 500 }), await open({ onHand: 1, price: 900 })];
    const orders = [cafe.order(2), bar.order(1), bar.order(1), cafe.order(1), cafe.order(1)];
    const results = await reserveAll(database, orders);
    expect(orders.map(({ orderId }) => results.get(orderId))).toEqual([
      GRANTED,
      GRANTED,
      rejected('out_of_stock'),
      GRANTED,
      rejected('out_of_stock'),
    ]);
    expect([await cafe.stock(), await bar.stock()]).toEqual([
      { onHand: 3, reserved: 3 },
      { onHand: 1, reserved: 1 },
    ]);
  });

  test('do not wait for one another’s locks', async () => {
    const [cafe, bar] = [await open({ onHand: 3, price: 500 }), await open({ onHand: 3, price: 500 })];
    await sql.begin(async (held) => {
      await held`select from sku where shop_id = ${cafe.shopId} and sku = ${CODE} for update`;
      const answered: string[] = [];
      const waiting = reserve(cafe.order(1))
        .catch((error: unknown) => error)
        .finally(() => answered.push('the shop whose SKU is locked'));
      expect(await reserve(bar.order(1)).finally(() => answered.push('the other'))).toEqual(GRANTED);
      expect(await waiting).toMatchObject({
        type: 'row_locked',
        message: expect.stringContaining(`${cafe.shopId}/${CODE}`),
      });
      expect(answered).toEqual(['the other', 'the shop whose SKU is locked']);
    });
  });

  test('have figures of their own, which add up to those of all shops', async () => {
    const day = '2026-01-01';
    const shops = [await open({ onHand: 5, price: 500 }), await open({ onHand: 5, price: 900 })];
    for (const shop of shops) {
      const order = shop.order(1);
      await reserve(order);
      await pay(payment(order.orderId));
    }
    await countPending(database, 10_000);
    const revenue = async (shop: string, sku?: string) => {
      const { days } = await readStats(database, { shop, from: day, to: day, sku });
      return days.map(({ figures }) => figures.revenue);
    };
    for (const sku of [undefined, CODE])
      expect(await Promise.all(shops.map(({ shopId }) => revenue(shopId, sku)))).toEqual([[500n], [900n]]);
    const rows = await sql<
      { revenue: string }[]
    >`select sum(revenue)::text as revenue from stat where sku = '' and day = ${day}`;
    expect(await revenue(ALL_SHOPS)).toEqual([BigInt(rows[0]?.revenue ?? 0)]);
  });

  test('are judged apart: a counter that is wrong in one is not made up for by the other', async () => {
    const [cafe, bar] = [await open({ onHand: 5, price: 500 }), await open({ onHand: 5, price: 500 })];
    const move = (units: number) =>
      sql.begin(async (to) => {
        await to`update sku set on_hand = on_hand + ${units}::bigint where shop_id = ${cafe.shopId} and sku = ${CODE}`;
        await to`update sku set on_hand = on_hand - ${units}::bigint where shop_id = ${bar.shopId} and sku = ${CODE}`;
      });
    await move(1);
    const subjects = (await checkRules(sql))
      .flatMap(({ rule, breaches }) => (rule.number === 2 ? breaches : []))
      .map(({ subject }) => subject);
    await move(-1);
    expect(subjects.toSorted()).toEqual(
      [`SKU ${cafe.shopId}/${CODE}`, `SKU ${bar.shopId}/${CODE}`].toSorted(),
    );
  });
});

describe('an order', () => {
  test('is rejected when the SKU or the wallet is another shop’s, as if there were none', async () => {
    const [cafe, bar] = [await open({ onHand: 5, price: 500 }), await open({ onHand: 5, price: 500 })];
    const foreign = await stockedSku(sql, { shopId: bar.shopId, onHand: 5 });
    expect(await reserve(cafe.order(1, { lines: [{ sku: foreign, quantity: 1 }] }))).toEqual(
      rejected('unknown_sku'),
    );
    for (const paymentMode of ['debit', 'hold'] as const)
      expect(await reserve(cafe.order(1, { walletId: bar.walletId, paymentMode }))).toEqual(
        rejected('unknown_wallet'),
      );
    expect(await bar.balance()).toEqual({ posted: 10_000, held: 0 });
  });

  test.each(['debit', 'hold'] as const)(
    'that names another buyer’s wallet (%s) is rejected, and accepted once its owner permits that buyer',
    async (paymentMode) => {
      const cafe = await open({ onHand: 5, price: 500 });
      const byGuest = () => cafe.order(1, { buyerId: 'guest', paymentMode });
      expect(await reserve(byGuest())).toEqual(rejected('wallet_not_allowed'));
      await sql`insert into wallet_permission (wallet_id, buyer_id) values (${cafe.walletId}, 'somebody else')`;
      expect(await reserve(byGuest())).toEqual(rejected('wallet_not_allowed'));
      expect(await cafe.stock()).toEqual({ onHand: 5, reserved: 0 });
      expect(await cafe.balance()).toEqual({ posted: 10_000, held: 0 });

      await sql`insert into wallet_permission (wallet_id, buyer_id) values (${cafe.walletId}, 'guest')`;
      const permitted = byGuest();
      expect(await reserve(permitted)).toEqual(GRANTED);
      // What was reserved is paid, whatever the owner says later.
      await sql`delete from wallet_permission where wallet_id = ${cafe.walletId}`;
      expect(await pay(payment(permitted.orderId))).toMatchObject({ stage: 'paid', refusal: null });
      expect(await reserve(byGuest())).toEqual(rejected('wallet_not_allowed'));
      // An order that is recorded is not judged again.
      expect(await reserve(permitted)).toMatchObject({ stage: 'paid' });
    },
  );

  test('that may not use its wallet takes nothing from the orders that are reserved with it', async () => {
    const cafe = await open({ onHand: 1, price: 500 });
    const [guest, owner] = [cafe.order(1, { buyerId: 'guest' }), cafe.order(1)];
    const results = await reserveAll(database, [guest, owner]);
    expect([results.get(guest.orderId), results.get(owner.orderId)]).toEqual([
      rejected('wallet_not_allowed'),
      GRANTED,
    ]);
  });

  test('that names no shop, as those of 0.5, is the main shop’s', async () => {
    const [sku, walletId] = [await stockedSku(sql, { onHand: 1 }), await fundedWallet(sql, { funds: 500 })];
    const order = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
    expect(await reserve(order)).toEqual(GRANTED);
    const cancelled = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
    await abandon({ ...cancelled, reason: 'too early', commandId: null });
    expect(
      await sql`select distinct shop_id from orders where id in ${sql([order.orderId, cancelled.orderId])}`,
    ).toEqual([{ shop_id: 'main' }]);
  });

  test('is recorded in its shop also when it was cancelled before it was reserved, and so are the notes on it', async () => {
    const cafe = await open({ onHand: 1, price: 500 });
    const order = cafe.order(1);
    const { orderId } = order;
    const workflowId = `order-${orderId}`;
    // The reservation keeps failing, so nothing is recorded of the order.
    await raiseAttention({
      workflowId,
      orderId,
      shopId: cafe.shopId,
      step: 'reserve',
      reason: 'reservation_failing',
      raisedAt: AT,
    });
    await abandon({ ...order, reason: 'too early', commandId: null });
    // A refund's workflow does not know the shop.
    await recordIntervention({
      workflowId,
      updateId: randomUUID(),
      orderId,
      action: 'retry_now',
      actor: 'dana',
      reason: 'test',
      step: null,
      at: AT,
    });
    for (const table of ['orders', 'attention', 'intervention']) {
      const id = sql(table === 'orders' ? 'id' : 'order_id');
      expect([table, ...(await sql`select shop_id from ${sql(table)} where ${id} = ${orderId}`)]).toEqual([
        table,
        { shop_id: cafe.shopId },
      ]);
    }
  });
});
