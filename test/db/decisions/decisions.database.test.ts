/** A person decides what becomes of damage that nothing repairs by itself, and whatever they choose keeps every rule. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { keepFindings } from '../../../db/findings.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { findFinding } from '../../../db/findings.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { SIGNED, deciding } from '../../support/decisions.ts';
import { openShopWithPayments } from '../../support/payment-plantings.ts';
import { anOrder, payment, refundOf } from '../../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../../support/stock.ts';

const testDatabase = await freshDatabase();
const { database, sql } = testDatabase;
const { damage, find, choose, refusalOf } = deciding(testDatabase);

/** An order of 2 units at 500 out of 10, with a wallet of its own. */
async function placed({
  paymentMode = 'debit',
  funds = 5_000,
}: { paymentMode?: 'debit' | 'hold'; funds?: number } = {}) {
  const [sku, walletId] = await Promise.all([stockedSku(sql, { onHand: 10 }), fundedWallet(sql, { funds })]);
  const order = anOrder({ walletId, paymentMode, lines: [{ sku, quantity: 2 }] });
  await reserve(database, order);
  return { id: order.orderId, order, sku, walletId };
}

async function paid(options?: Parameters<typeof placed>[0]) {
  const order = await placed(options);
  await pay(database, payment(order.id));
  return order;
}

const walletOf = async (id: string) => (await sql`select posted, held from wallet where id = ${id}`)[0];
const skuOf = async (sku: string) => (await sql`select on_hand, reserved from sku where sku = ${sku}`)[0];
const stageOf = async (id: string) => (await sql`select stage from orders where id = ${id}`)[0]?.['stage'];

/** Removes the payment of an order from the ledger: its transfer, and its legs unless they stay. */
const losePayment = (id: string, { legs = true } = {}) =>
  damage(async (to) => {
    if (legs)
      await to`delete from entry where transfer_id in (select id from transfer where order_id = ${id} and kind in ('debit', 'capture'))`;
    await to`delete from transfer where order_id = ${id} and kind in ('debit', 'capture')`;
  });

/** Sets an order to a stage without an event. */
const setStage = (id: string, stage: string) =>
  damage((to) => to`update orders set stage = ${stage} where id = ${id}`);

describe('an order that is paid without money', () => {
  test('is paid by the money that its wallet shows was taken', async () => {
    const { id, walletId } = await paid();
    await losePayment(id);
    const finding = await find('paid_without_money', id);
    expect(await refusalOf(finding, 'take_money')).toMatch(/the price was taken from it before/);
    expect(await refusalOf(finding, 'reconnect_payment')).toMatch(/have none of the price/);
    expect(await choose(finding, 'book_payment')).toEqual({ outcome: 'decided', stage: 'paid' });
    expect(await walletOf(walletId)).toEqual({ posted: 4_000, held: 0 });
    await expectRulesHold(sql);
  });

  test('gets its transfer back when only that is gone', async () => {
    const { id, walletId } = await paid();
    await losePayment(id, { legs: false });
    const finding = await find('paid_without_money', id);
    expect(await refusalOf(finding, 'take_money')).toMatch(/by a transfer that is gone/);
    expect(await refusalOf(finding, 'let_shop_pay')).toMatch(/by a transfer that is gone/);
    expect(await choose(finding, 'reconnect_payment')).toEqual({ outcome: 'decided', stage: 'paid' });
    expect(await walletOf(walletId)).toEqual({ posted: 4_000, held: 0 });
    await expectRulesHold(sql);
  });

  test.each(['debit', 'hold'] as const)(
    'is paid from its wallet now, in %s mode, and its units are sold',
    async (paymentMode) => {
      const { id, walletId, sku } = await placed({ paymentMode });
      await setStage(id, 'paid');
      const finding = await find('paid_without_money', id);
      expect(await choose(finding, 'take_money')).toEqual({ outcome: 'decided', stage: 'paid' });
      expect(await walletOf(walletId)).toEqual({ posted: 4_000, held: 0 });
      expect(await skuOf(sku)).toEqual({ on_hand: 8, reserved: 0 });
      await expectRulesHold(sql);
    },
  );

  test.each(['debit', 'hold'] as const)(
    'is paid by the shop, in %s mode, and its wallet keeps its balance',
    async (paymentMode) => {
      const { id, walletId } = await placed({ paymentMode, funds: 1_000 });
      await setStage(id, 'paid');
      const finding = await find('paid_without_money', id);
      expect(await choose(finding, 'let_shop_pay')).toEqual({ outcome: 'decided', stage: 'paid' });
      expect(await walletOf(walletId)).toEqual({ posted: 1_000, held: 0 });
      await expectRulesHold(sql);
    },
  );

  test('is not paid from a wallet that has too little', async () => {
    const { id } = await placed({ funds: 999 });
    await setStage(id, 'paid');
    const finding = await find('paid_without_money', id);
    expect(await refusalOf(finding, 'take_money')).toMatch(/only 999 are available/);
    expect(await choose(finding, 'follow_events')).toMatchObject({
      outcome: 'decided',
      stage: 'awaiting_payment',
    });
    expect(await stageOf(id)).toBe('awaiting_payment');
    await expectRulesHold(sql);
  });

  test('is paid by what its payments brought in', async () => {
    const shop = await openShopWithPayments(testDatabase);
    const { orderId } = shop.settled;
    await losePayment(orderId);
    const finding = await find('paid_without_money', orderId);
    expect(await refusalOf(finding, 'let_shop_pay')).toMatch(/have brought the money in/);
    expect(await choose(finding, 'take_money')).toEqual({ outcome: 'decided', stage: 'paid' });
    await expectRulesHold(sql);
  });
});

describe('an order whose row and events disagree', () => {
  test('follows its events, and waits for its payment again', async () => {
    const { id, sku } = await placed({ paymentMode: 'hold' });
    await setStage(id, 'expired');
    const finding = await find('order_inconsistent', id);
    expect(await refusalOf(finding, 'complete_rows')).toMatch(/say different stages/);
    expect(await choose(finding, 'follow_events')).toEqual({ outcome: 'decided', stage: 'awaiting_payment' });
    expect(await skuOf(sku)).toEqual({ on_hand: 10, reserved: 2 });
    expect(await pay(database, payment(id))).toMatchObject({ stage: 'paid' });
    await expectRulesHold(sql);
  });

  test('keeps its stage, and what it holds is released', async () => {
    const { id, sku, walletId } = await placed({ paymentMode: 'hold' });
    await setStage(id, 'expired');
    const finding = await find('order_inconsistent', id);
    expect(await choose(finding, 'follow_stage')).toEqual({ outcome: 'decided', stage: 'expired' });
    expect(await skuOf(sku)).toEqual({ on_hand: 10, reserved: 0 });
    expect(await walletOf(walletId)).toEqual({ posted: 5_000, held: 0 });
    await expectRulesHold(sql);
  });

  test('does not keep a stage to which no order goes', async () => {
    const { id } = await paid();
    await damage((to) => to`update orders set stage = 'expired', reason = 'test' where id = ${id}`);
    const finding = await find('order_inconsistent', id);
    expect(await refusalOf(finding, 'follow_stage')).toMatch(/No order goes from paid to expired/);
    expect(await choose(finding, 'follow_events')).toEqual({ outcome: 'decided', stage: 'paid' });
    await expectRulesHold(sql);
  });
});

describe('an order that lacks rows', () => {
  const lost: [what: string, make: () => Promise<{ id: string }>, tables: readonly string[]][] = [
    ['the step that reserved it', placed, ['order_step']],
    ['the steps of a paid order', paid, ['order_step']],
    ['the reservation of an open order', placed, ['reservation']],
    ['the reservation of a paid order', paid, ['reservation']],
    ['the hold of an open order', () => placed({ paymentMode: 'hold' }), ['hold']],
    ['the hold of a paid order', () => paid({ paymentMode: 'hold' }), ['hold']],
    ['the events of an open order', placed, ['order_event']],
    ['the events of a paid order', paid, ['order_event']],
    ['steps, reservation and events at once', paid, ['order_step', 'reservation', 'order_event']],
  ];
  test.each(lost)('gets back %s', async (_what, make, tables) => {
    const { id } = await make();
    const stage = await stageOf(id);
    await damage(async (to) => {
      for (const table of tables) await to`delete from ${to(table)} where order_id = ${id}`;
    });
    const finding = await find('order_inconsistent', id);
    expect(await choose(finding, 'complete_rows')).toEqual({ outcome: 'decided', stage });
    await expectRulesHold(sql);
  });

  test('gets back its last event alone, as of when the order last changed', async () => {
    const { id } = await paid();
    await damage((to) => to`delete from order_event where order_id = ${id} and version = 2`);
    const finding = await find('order_inconsistent', id);
    expect(await choose(finding, 'complete_rows')).toEqual({ outcome: 'decided', stage: 'paid' });
    const [order] = await sql`
      select orders.version, at = updated_at as is_of_then from orders join order_event using (id, version) where orders.id = ${id}
    `.catch(
      () => sql`
      select orders.version, order_event.at = updated_at as is_of_then
      from orders join order_event on order_id = orders.id and order_event.version = orders.version
      where orders.id = ${id}
    `,
    );
    expect(order).toEqual({ version: 2, is_of_then: true });
    await expectRulesHold(sql);
  });

  test('counts its refunds as they are, and gets back the steps that made them', async () => {
    const { id, sku } = await paid();
    await refund(database, { ...refundOf(id, false), lines: [{ sku, quantity: 1, restock: true }] });
    await damage(async (to) => {
      await to`update orders set refunded = 1 where id = ${id}`;
      await to`update order_line set refunded = 0, refunded_amount = 0 where order_id = ${id}`;
      await to`delete from order_step where order_id = ${id} and step = 'refund'`;
    });
    const finding = await find('order_inconsistent', id);
    expect(await choose(finding, 'complete_rows')).toEqual({ outcome: 'decided', stage: 'paid' });
    await expectRulesHold(sql);
  });

  test('takes no units for a reservation that are promised to others', async () => {
    const { id, sku } = await placed();
    await damage(async (to) => {
      await to`delete from reservation where order_id = ${id}`;
      await to`update sku set reserved = 0, on_hand = 1 where sku = ${sku}`;
      await to`update stock_movement set quantity = 1 where sku = ${sku}`;
    });
    const finding = await find('order_inconsistent', id);
    const refusal = await refusalOf(finding, 'complete_rows');
    expect(refusal).toMatch(/only 1 are available/);
    expect(await choose(finding, 'complete_rows')).toEqual({ outcome: 'refused', because: refusal });
    // The order cannot be whole without its reservation either way: this is for somebody with a backup.
    await damage((to) => to`update sku set on_hand = 10 where sku = ${sku}`);
    await damage((to) => to`update stock_movement set quantity = 10 where sku = ${sku}`);
    expect(await choose(finding, 'complete_rows')).toMatchObject({ outcome: 'decided' });
    await expectRulesHold(sql);
  });

  test('is cancelled when what it holds is not what it is to be paid with', async () => {
    const { id, walletId } = await placed({ paymentMode: 'hold' });
    await damage(async (to) => {
      await to`update hold set amount = amount + 1 where order_id = ${id}`;
      await to`update wallet set held = held + 1 where id = ${walletId}`;
    });
    const finding = await find('order_inconsistent', id);
    expect(await refusalOf(finding, 'complete_rows')).toMatch(/its hold is of 1001/);
    expect(await choose(finding, 'cancel_order')).toEqual({ outcome: 'decided', stage: 'cancelled' });
    expect(await walletOf(walletId)).toEqual({ posted: 5_000, held: 0 });
    await expectRulesHold(sql);
  });

  test('is for a backup when nothing proves what it lacks', async () => {
    const { id } = await paid();
    await damage((to) => to`update orders set total = total + 1 where id = ${id}`);
    const finding = await find('order_inconsistent', id);
    for (const choice of [
      'complete_rows',
      'follow_events',
      'follow_stage',
      'restore_order',
      'cancel_order',
    ] as const)
      expect(await refusalOf(finding, choice)).not.toBeNull();
    await damage((to) => to`update orders set total = total - 1 where id = ${id}`);
    await expectRulesHold(sql);
  });
});

describe('money that was taken for an order that is not paid', () => {
  async function takenForOpenOrder() {
    const { id, walletId, sku } = await placed();
    const transfer = randomUUID();
    await damage(async (to) => {
      await to`insert into transfer (shop_id, id, kind, order_id) values ('main', ${transfer}, 'debit', ${id})`;
      await to`update wallet set posted = 4000 where id = ${walletId}`;
      await to`
        insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
        values ('main', ${transfer}, 'wallet', ${walletId}, -1000, 'EUR', 4000, 0), ('main', ${transfer}, 'sales', null, 1000, 'EUR', null, null)
      `;
    });
    return { id, walletId, sku, finding: await find('money_taken_without_payment', id) };
  }

  test('pays the order, whose units are sold', async () => {
    const { finding, sku } = await takenForOpenOrder();
    expect(await choose(finding, 'mark_paid')).toEqual({ outcome: 'decided', stage: 'paid' });
    expect(await skuOf(sku)).toEqual({ on_hand: 8, reserved: 0 });
    await expectRulesHold(sql);
  });

  test('is given back when the order is cancelled', async () => {
    const { finding, walletId, sku } = await takenForOpenOrder();
    expect(await choose(finding, 'cancel_order')).toEqual({ outcome: 'decided', stage: 'cancelled' });
    expect(await walletOf(walletId)).toEqual({ posted: 5_000, held: 0 });
    expect(await skuOf(sku)).toEqual({ on_hand: 10, reserved: 0 });
    await expectRulesHold(sql);
  });
});
