/** A person decides what becomes of damage that nothing repairs by itself, and whatever they choose keeps every rule. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { KnownOrder } from '../../../db/decisions/known-order.ts';
import { findFinding, keepFindings } from '../../../db/findings.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import type { PlacedOrder } from '../../../db/steps/step.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { SIGNED, deciding } from '../../support/decisions.ts';
import { plantIdempotencyKey } from '../../support/planted.ts';
import { openShopWithPayments } from '../../support/payment-plantings.ts';
import { AT, anOrder, payment, refundOf } from '../../support/step-requests.ts';
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

  test('counts its refunds as they are, and gets back their steps and transfers', async () => {
    const { id, sku } = await paid();
    await refund(database, { ...refundOf(id, false), lines: [{ sku, quantity: 1, restock: true }] });
    await damage(async (to) => {
      await to`update orders set refunded = 1 where id = ${id}`;
      await to`update order_line set refunded = 0, refunded_amount = 0 where order_id = ${id}`;
      await to`delete from order_step where order_id = ${id} and step = 'refund'`;
      await to`delete from transfer where order_id = ${id} and kind = 'refund'`;
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

/** As a workflow, or an answer to the caller, would know it. */
const knownAs = (
  { orderId: _, at, paymentDeadline: __, ...contents }: PlacedOrder,
  known: Partial<KnownOrder> = {},
): KnownOrder => ({
  contents,
  paymentDeadline: new Date(Date.now() + 900_000).toISOString(),
  total: { amount: 1_000, currency: 'EUR' },
  createdAt: at,
  ...known,
});

describe('an order that a caller was given and that is lost', () => {
  /** A key that was answered with an order of which nothing is left, as after an older backup was restored. */
  async function lost() {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      fundedWallet(sql, { funds: 5_000 }),
    ]);
    const order = anOrder({ walletId, lines: [{ sku, quantity: 2 }] });
    const known = knownAs(order);
    await plantIdempotencyKey(sql, { commandId: order.orderId });
    return { id: order.orderId, sku, known, finding: await find('order_lost', order.orderId) };
  }

  test('is reserved again, with the deadline its caller was given', async () => {
    const { id, sku, known, finding } = await lost();
    expect(await choose(finding, 'record_again', { isAnswered: true, known })).toEqual({
      outcome: 'decided',
      stage: 'awaiting_payment',
    });
    expect(await skuOf(sku)).toEqual({ on_hand: 10, reserved: 2 });
    const [order] = await sql`select payment_deadline from orders where id = ${id}`;
    expect(order?.['payment_deadline']).toEqual(new Date(known.paymentDeadline));
    await expectRulesHold(sql);
  });

  test('is not reserved again when it would cost something else, has no units, or its time is over; it is recorded as cancelled', async () => {
    const { sku, known, finding } = await lost();
    const refusal = (other: Partial<KnownOrder>) =>
      refusalOf(finding, 'record_again', { isAnswered: true, known: { ...known, ...other } });
    expect(await refusal({ total: { amount: 999, currency: 'EUR' } })).toMatch(/rejected \(total_mismatch\)/);
    expect(await refusal({ paymentDeadline: AT })).toMatch(/which is over/);
    expect(
      await refusal({ contents: { ...known.contents, lines: [{ sku, quantity: 11 }] }, total: null }),
    ).toMatch(/rejected \(out_of_stock\)/);
    expect(await refusalOf(finding, 'record_again', { isAnswered: true })).toMatch(
      /Nobody knows what was ordered/,
    );
    expect(await choose(finding, 'record_cancelled', { isAnswered: true, known })).toEqual({
      outcome: 'decided',
      stage: 'cancelled',
    });
    expect(await skuOf(sku)).toEqual({ on_hand: 10, reserved: 0 });
    await expectRulesHold(sql);
  });

  test('is recorded again where its events end, when only its row is gone', async () => {
    const { id, order } = await paid();
    await plantIdempotencyKey(sql, { commandId: id });
    await damage((to) => to`delete from orders where id = ${id}`);
    const finding = await find('order_inconsistent', id);
    const facts = { isAnswered: true, known: knownAs(order) };
    expect(await refusalOf(finding, 'record_cancelled', facts)).toMatch(/restore its row alone/);
    expect(await choose(finding, 'restore_order', facts)).toEqual({ outcome: 'decided', stage: 'paid' });
    await expectRulesHold(sql);
  });
});

describe('a workflow without an open order', () => {
  const missing = async (subject: string) => {
    const now = new Date().toISOString();
    const found = { subject, orderId: subject, finding: 'its workflow runs, and the order is not recorded' };
    const [kept] = await keepFindings(database, 'order_missing', [found], now);
    const finding = kept && (await findFinding(database, kept.id));
    if (!finding) throw new Error('It was not kept.');
    return finding;
  };

  test('is stopped only when nobody was given its order, and the order is not open', async () => {
    const finding = await missing(randomUUID());
    expect(await refusalOf(finding, 'stop_workflow', { isAnswered: false, workflow: 'paying' })).toBeNull();
    expect(await refusalOf(finding, 'stop_workflow', { isAnswered: true, workflow: 'paying' })).toMatch(
      /Its caller was given the order/,
    );
    expect(await refusalOf(finding, 'stop_workflow')).toMatch(/No workflow runs for it/);
    const open = await placed();
    expect(
      await refusalOf(await missing(open.id), 'stop_workflow', {
        isAnswered: true,
        workflow: 'awaiting_payment',
      }),
    ).toMatch(/its workflow is what ends it/);
  });

  test('goes on with its order again only when it waits for the payment', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      fundedWallet(sql, { funds: 5_000 }),
    ]);
    const order = anOrder({ walletId, lines: [{ sku, quantity: 2 }] });
    const finding = await missing(order.orderId);
    const facts = { isAnswered: true, known: knownAs(order) };
    expect(await refusalOf(finding, 'record_again', { ...facts, workflow: 'refunding' })).toMatch(
      /is refunding/,
    );
    expect(await refusalOf(finding, 'record_again', { ...facts, workflow: null })).toMatch(/does not answer/);
    expect(await choose(finding, 'record_again', { ...facts, workflow: 'awaiting_payment' })).toMatchObject({
      outcome: 'decided',
    });
    await expectRulesHold(sql);
  });
});

test('an order that nobody let expire is let expire, and not while its payments are captured', async () => {
  const { id, sku } = await placed({ paymentMode: 'hold' });
  const finding = await find('order_overdue', id);
  expect(await choose(finding, 'expire_order')).toEqual({ outcome: 'decided', stage: 'expired' });
  expect(await skuOf(sku)).toEqual({ on_hand: 10, reserved: 0 });
  await expectRulesHold(sql);
});

test('a payment that counts another sum as refunded is counted again', async () => {
  const shop = await openShopWithPayments(testDatabase);
  const paymentId = shop.partly.byProvider;
  await damage((to) => to`update payment set refunded = refunded - 1 where id = ${paymentId}`);
  const finding = await find('payment_inconsistent', paymentId);
  expect(await choose(finding, 'recount_payment')).toMatchObject({ outcome: 'decided' });
  await expectRulesHold(sql);
});

describe('a decision', () => {
  test('is carried out once, by the first of several who decide at the same time', async () => {
    const { id, walletId } = await placed();
    await setStage(id, 'paid');
    const finding = await find('paid_without_money', id);
    const outcomes = await Promise.all([
      choose(finding, 'take_money'),
      choose(finding, 'take_money'),
      choose(finding, 'let_shop_pay'),
      choose(finding, 'follow_events'),
    ]);
    expect(outcomes.filter(({ outcome }) => outcome === 'decided')).toHaveLength(1);
    expect(outcomes.filter(({ outcome }) => outcome === 'closed')).toHaveLength(3);
    expect([...(await sql`select 1 from decision where finding_id = ${finding.id}`)]).toHaveLength(1);
    expect([4_000, 5_000]).toContain((await walletOf(walletId))?.['posted']);
    await expectRulesHold(sql);
  });

  test('is in the audit with who decided, why, and what it changed, all as the deed of the caller', async () => {
    const { id } = await placed();
    await setStage(id, 'paid');
    const finding = await find('paid_without_money', id);
    await choose(finding, 'take_money');
    const rows = await sql<
      { kind: string; actor: string; request_id: string; why: string | null; after: unknown }[]
    >`
      select kind, actor, request_id, why, after from audit_inbox
      where transaction = (select transaction from audit_inbox where kind = 'decision' and subject = ${finding.id})
    `;
    expect(new Set(rows.map(({ actor, request_id: request }) => `${actor} ${request}`))).toEqual(
      new Set(['key:test request-of-test']),
    );
    expect(rows.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['decision', 'order', 'wallet', 'sku']),
    );
    expect(rows.find(({ kind }) => kind === 'decision')).toMatchObject({
      why: SIGNED.reason,
      after: { choice: 'take_money', actor: SIGNED.actor, is: { stage: 'paid', posted: 4_000 } },
    });
    await expect(sql`update decision set reason = 'another'`).rejects.toThrow(/never changed/);
    await expect(sql`delete from decision`).rejects.toThrow(/never changed/);
  });

  test('that is only tried leaves no trace', async () => {
    const { id, walletId } = await placed();
    await setStage(id, 'paid');
    const finding = await find('paid_without_money', id);
    const [before] = await sql`select count(*) from audit_inbox`;
    expect(await refusalOf(finding, 'take_money')).toBeNull();
    expect(await walletOf(walletId)).toEqual({ posted: 5_000, held: 0 });
    expect((await sql`select count(*) from audit_inbox`)[0]).toEqual(before);
    expect(await findFinding(database, finding.id)).toMatchObject({ state: 'open', decision: null });
    await choose(finding, 'follow_events');
  });

  test('to accept is not reopened by reconciliation, unless something else is found of the same', async () => {
    const keep = (finding: string) =>
      keepFindings(
        database,
        'payment_unmatched',
        [{ subject: 'theirs', orderId: null, finding }],
        new Date().toISOString(),
      );
    const [kept] = await keep('a provider has it');
    const finding = kept && (await findFinding(database, kept.id));
    if (!finding) throw new Error('It was not kept.');
    expect(await choose(finding, 'accept')).toEqual({ outcome: 'decided', stage: null });
    expect(await keep('a provider has it')).toEqual([]);
    expect(await keep('a provider has more of it')).toHaveLength(1);
  });

  test('is not undone by a run that had found the damage before', async () => {
    const { id } = await placed();
    await setStage(id, 'paid');
    const startedAt = new Date().toISOString();
    const finding = await find('paid_without_money', id);
    await choose(finding, 'take_money');
    const stale = [{ subject: id, orderId: id, finding: finding.finding }];
    expect(await keepFindings(database, 'paid_without_money', stale, startedAt)).toEqual([]);
    // A later run finds what was broken again.
    const later = new Date(Date.now() + 1_000).toISOString();
    expect(await keepFindings(database, 'paid_without_money', stale, later)).toHaveLength(1);
  });
});
