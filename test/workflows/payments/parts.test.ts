/** The life of an order that is paid in parts: by its wallet, by a payment provider, or by both. */
import { readFile } from 'node:fs/promises';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, expect, test } from 'vitest';
import { orderWorkflowsOf } from '../../../client/inspection.ts';
import type { Source } from '../../../dev/provider/behaviour.ts';
import type { PaymentState } from '../../../domain/payments.ts';
import { DEFAULT_PAYMENT_EXTENSION_MS } from '../../../domain/timeouts.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../../domain/workflow-ids.ts';
import {
  WORKFLOW,
  giveUpUpdate,
  orderQuery,
  placeUpdate,
  type OrderEnd,
  type OrderInput,
} from '../../../workflows/messages.ts';
import { expectRulesHold } from '../../support/database.ts';
import { always, interruptions } from '../../support/interruptions.ts';
import { startPayingSystem } from '../../support/paying-system.ts';
import { expectNoMoneyLost, paymentStatesOf, readBook, untilSettled } from '../../support/payments.ts';
import { idOf } from '../../support/shop.ts';
import { until } from '../../support/until.ts';

const WINDOW = 900_000;
const EXTENSION = 300_000;
const TOTAL = 1_000;
const { between, interrupt } = interruptions();
const system = await startPayingSystem({ paymentWindow: WINDOW, workerDatabase: between });
const { shop, client, clock, sql, provider, taskQueue } = system;

afterEach(async () => {
  await expectNoMoneyLost(sql, provider.settings);
  await expectRulesHold(sql);
});

/** An order of 2 units at 500. */
async function placeOrder(funds = 5_000) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

const byProvider = (orderId: string, source: Source = 'ok', amount?: number) =>
  shop.post(`/v1/orders/${orderId}/payments`, { method: 'provider', source, ...(amount && { amount }) });
const byWallet = (orderId: string, amount?: number) =>
  shop.post(`/v1/orders/${orderId}/payments`, { method: 'wallet', ...(amount && { amount }) });

const orderOf = (id: string) => client.workflow.getHandle(orderWorkflowId(id));

const untilStates = (orderId: string, ...states: PaymentState[]) =>
  until(`the payments of order ${orderId} to be ${states.join(', ')}`, async () =>
    (await paymentStatesOf(sql, orderId)).every((state, at) => state === states[at]),
  );

const untilExtended = (orderId: string) =>
  until('the deadline to be put off', async () => {
    const { body } = await shop.getOrder(orderId);
    return body['deadlineExtended'] === true && body;
  });

const reasonOf = async (paymentId: string) => {
  const [payment] = await sql<
    { reason: string | null }[]
  >`select reason from payment where id = ${paymentId}`;
  return payment?.reason;
};

const atProvider = async (paymentId: string) => {
  const book = await readBook(provider.settings);
  return book.find(({ reference }) => reference === paymentId);
};

test('a payment by provider that covers the order pays it, and both workflows end', async () => {
  const { id, wallet, sku } = await placeOrder();
  const added = await byProvider(id);
  expect(added).toMatchObject({ status: 201 });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
  expect(await client.workflow.getHandle(paymentWorkflowId(idOf(added))).result()).toEqual({
    state: 'captured',
  });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  expect(await shop.stockOf(sku)).toEqual({ onHand: 8, reserved: 0, available: 8 });
});

test('a wallet and a provider pay it part by part, and nothing is taken before the parts cover it', async () => {
  const { id, wallet } = await placeOrder();
  expect(await byWallet(id, 400)).toMatchObject({ status: 201, body: { state: 'authorised' } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 400 });
  const rest = await byProvider(id);
  expect(rest).toMatchObject({ status: 201 });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_600, held: 0 });
  expect(await atProvider(idOf(rest))).toMatchObject({ state: 'captured', captured: 600 });
});

test('a payment that is declined leaves the order to another one', async () => {
  const { id } = await placeOrder(300);
  expect(await byProvider(id, 'declined')).toMatchObject({ body: { code: 'payment_declined' } });
  expect(await byWallet(id)).toMatchObject({ body: { code: 'insufficient_funds' } });
  expect(await byWallet(id, 300)).toMatchObject({ status: 201 });
  expect(await byProvider(id)).toMatchObject({ status: 201 });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
});

test('while parts of it are secured, the classic payment is refused, and the order goes on', async () => {
  const { id } = await placeOrder();
  expect(await byProvider(id, 'ok', 400)).toMatchObject({ status: 201 });
  expect(await shop.pay(id)).toMatchObject({ status: 409, body: { code: 'order_has_payments' } });
  expect(await byWallet(id)).toMatchObject({ status: 201 });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
});

test('a cancelled order lets go of what its payments have set aside', async () => {
  const { id, wallet } = await placeOrder();
  await byWallet(id, 400);
  const other = await byProvider(id, 'ok', 500);
  expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
  await untilStates(id, 'voided', 'voided');
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  expect(await atProvider(idOf(other))).toMatchObject({ state: 'voided' });
});

test('money that a provider took although it was voided is recorded and given back', async () => {
  const { id } = await placeOrder();
  const added = await byProvider(id, 'void-captured', 500);
  await shop.cancel(id);
  await untilStates(id, 'returned');
  expect(await atProvider(idOf(added))).toMatchObject({ state: 'captured', captured: 500, refunded: 500 });
});

test('a capture that is refused leads back to awaiting payment, and what was captured still counts', async () => {
  const { id } = await placeOrder();
  await byWallet(id, 400);
  await byProvider(id, 'capture-refused');
  await untilStates(id, 'captured', 'declined');
  await until(
    'the order to wait again',
    async () => (await orderOf(id).query(orderQuery)).stage === 'awaiting_payment',
  );
  expect(await byProvider(id, 'ok', 600)).toMatchObject({ status: 201 });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
});

test('what was captured of an order that is then cancelled is given back', async () => {
  const { id, wallet } = await placeOrder();
  await byWallet(id, 400);
  await byProvider(id, 'capture-refused');
  await untilStates(id, 'captured', 'declined');
  expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
  await untilStates(id, 'returned', 'declined');
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
});

test('a cancel that comes while the money is taken refunds it', async () => {
  const { id, sku } = await placeOrder();
  const added = await byProvider(id, 'capture-lost');
  await until('the money to be taken', async () => (await orderOf(id).query(orderQuery)).stage === 'paying');
  expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  await untilSettled(sql, id);
  expect(await atProvider(idOf(added))).toMatchObject({ captured: TOTAL, refunded: TOTAL });
  expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
});

test('a deadline is put off once for a payment under way, and no further', async () => {
  const { id } = await placeOrder();
  const added = await byProvider(id, 'pending-forever');
  expect(added).toMatchObject({ status: 201, body: { state: 'pending' } });
  await clock.forward(orderWorkflowId(id), WINDOW);
  const extended = await untilExtended(id);
  expect(Date.parse(String(extended['paymentDeadline'])) - Date.parse(String(extended['createdAt']))).toBe(
    WINDOW + EXTENSION,
  );
  await clock.forward(orderWorkflowId(id), EXTENSION);
  expect(await orderOf(id).result()).toMatchObject({ stage: 'expired' });
  await untilStates(id, 'voided');
  expect(await reasonOf(idOf(added))).toBe('order_over');
});

test('a payment that is authorised after the deadline was put off pays the order', async () => {
  const { id } = await placeOrder();
  provider.process.child.kill('SIGSTOP');
  const adding = byProvider(id);
  await until('the payment to be opened', async () => (await paymentStatesOf(sql, id)).length === 1);
  await clock.forward(orderWorkflowId(id), WINDOW);
  await untilExtended(id);
  provider.process.child.kill('SIGCONT');
  expect(await adding).toMatchObject({ status: 201 });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
});

/** An order of 2 units at 500 whose workflow 0.8 started, with what 0.8 knew. */
async function placeAsIn08() {
  const [sku, walletId] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const orderId = uuidv7();
  const input: OrderInput = {
    orderId,
    shopId: 'main',
    buyerId: 'buyer',
    walletId,
    paymentMode: 'debit',
    lines: [{ sku, quantity: 2 }],
    paymentWindow: WINDOW,
    attentionAfter: 120_000,
    rules: 4,
  };
  const start = new WithStartWorkflowOperation<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
    workflowId: orderWorkflowId(orderId),
    taskQueue,
    args: [input],
    workflowIdConflictPolicy: 'FAIL',
  });
  await client.workflow.executeUpdateWithStart(placeUpdate, { startWorkflowOperation: start });
  const order = await start.workflowHandle();
  const { events } = await order.fetchHistory();
  expect((events ?? []).map(({ eventType }) => eventType)).toEqual(await eventsOfOpenOrderIn08());
  return { id: orderId, wallet: walletId, sku };
}

/** The types of the events that 0.8 recorded of an order until it waited for its payment. */
async function eventsOfOpenOrderIn08() {
  const file = new URL('../../histories/0.8.0/expired.json', import.meta.url);
  const { events } = historyFromJSON(JSON.parse(await readFile(file, 'utf8')));
  const types = (events ?? []).map(({ eventType }) => eventType);
  const placed = (events ?? []).findIndex((event) => event.workflowExecutionUpdateCompletedEventAttributes);
  return types.slice(0, placed + 1);
}

test('an order that 0.8 opened is paid in parts, with its deadline put off by the default', async () => {
  const { id, wallet, sku } = await placeAsIn08();
  expect(await byWallet(id, 400)).toMatchObject({ status: 201, body: { state: 'authorised' } });
  provider.process.child.kill('SIGSTOP');
  const adding = byProvider(id);
  await until('the payment to be opened', async () => (await paymentStatesOf(sql, id)).length === 2);
  await clock.forward(orderWorkflowId(id), WINDOW);
  const extended = await untilExtended(id);
  expect(Date.parse(String(extended['paymentDeadline'])) - Date.parse(String(extended['createdAt']))).toBe(
    WINDOW + DEFAULT_PAYMENT_EXTENSION_MS,
  );
  provider.process.child.kill('SIGCONT');
  expect(await adding).toMatchObject({ status: 201 });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
  await untilStates(id, 'captured', 'captured');
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_600, held: 0 });
  expect(await shop.stockOf(sku)).toEqual({ onHand: 8, reserved: 0, available: 8 });
});

test('an order that 0.8 opened lets go of its parts when its deadline, put off once, passes', async () => {
  const { id, wallet, sku } = await placeAsIn08();
  await byWallet(id, 400);
  await byProvider(id, 'pending-forever');
  await clock.forward(orderWorkflowId(id), WINDOW);
  await untilExtended(id);
  await clock.forward(orderWorkflowId(id), DEFAULT_PAYMENT_EXTENSION_MS);
  expect(await orderOf(id).result()).toMatchObject({ stage: 'expired' });
  await untilStates(id, 'voided', 'voided');
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
});

test('a deadline is not put off for payments that do not cover the order', async () => {
  const { id } = await placeOrder();
  await byProvider(id, 'ok', 400);
  await clock.forward(orderWorkflowId(id), WINDOW);
  expect(await orderOf(id).result()).toMatchObject({ stage: 'expired' });
  await untilStates(id, 'voided');
});

test('an order whose workflow was terminated looks at its payments first when it is started again', async () => {
  const { id } = await placeOrder();
  await byWallet(id, 400);
  provider.process.child.kill('SIGSTOP');
  const adding = byProvider(id);
  await until('the payment to be opened', async () => (await paymentStatesOf(sql, id)).length === 2);
  await orderOf(id).terminate('a test');
  provider.process.child.kill('SIGCONT');
  // While no workflow of the order runs: nobody hears of it.
  await untilStates(id, 'authorised', 'authorised');
  await adding;
  const workflows = orderWorkflowsOf(client, system.taskQueue);
  const [open] = await sql<
    { walletId: string; buyerId: string; createdAt: Date; paymentDeadline: Date; sku: string }[]
  >`
    select wallet_id as "walletId", buyer_id as "buyerId", created_at as "createdAt", payment_deadline as "paymentDeadline", sku
    from orders join order_line on order_id = id where id = ${id}`;
  if (!open) throw new Error('There is no such order.');
  const { sku, ...order } = open;
  await workflows.restartOrder({ ...order, id, paymentMode: 'debit', lines: [{ sku, quantity: 2 }] });
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
});

test('an order is given up although the step that takes its payments keeps failing', async () => {
  const { id } = await placeOrder();
  const plan = interrupt('settle', id, always('fails before it is sent'));
  await byProvider(id);
  await until('settling to fail', async () => (await orderOf(id).query(orderQuery)).failing === 'settle');
  const by = { actor: 'dana', reason: 'it keeps failing' };
  await orderOf(id).executeUpdate(giveUpUpdate, { args: [by] });
  plan.stop();
  expect(await orderOf(id).result()).toMatchObject({ stage: 'cancelled' });
  await untilStates(id, 'voided');
});

test('payments are woken although the first attempt fails', async () => {
  const { id } = await placeOrder();
  // The first attempt, and one with a retry policy.
  const plan = interrupt('wakePayments', id, ['fails before it is sent', 'fails before it is sent']);
  const paid = byProvider(id);
  expect(await orderOf(id).result()).toMatchObject({ stage: 'paid' });
  await paid;
  expect(plan.happened()).toBe(2);
});

test('a refund in part goes back to the provider first, and then to the wallet', async () => {
  const { id, wallet } = await placeOrder();
  await byWallet(id, 400);
  const other = await byProvider(id);
  await orderOf(id).result();
  expect(await shop.refundOrder(id, { reason: 'broken', amount: 700 })).toMatchObject({
    status: 200,
  });
  await untilSettled(sql, id);
  expect(await atProvider(idOf(other))).toMatchObject({ captured: 600, refunded: 600 });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_700, held: 0 });
});
