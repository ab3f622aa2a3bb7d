/** Every path of an order's life, played through the API, and one of each run on a schedule. Each returns the id of the workflow whose history is kept. */
import { v7 as uuidv7 } from 'uuid';
import { raiseAttention } from '../../db/attention.ts';
import { nextDue } from '../../db/webhooks/claim.ts';
import { removeWebhook } from '../../db/webhooks/webhooks.ts';
import { PAYMENT_LIMITS } from '../../domain/order.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { deliverWorkflowId, orderWorkflowId, webhookWorkflowId } from '../../domain/workflow-ids.ts';
import {
  WORKFLOW,
  extendDeadlineUpdate,
  giveUpUpdate,
  retryNowUpdate,
  skipStepUpdate,
} from '../../workflows/messages.ts';
import { PAYMENT_PATHS } from './payment-paths.ts';
import { untilEvents } from '../support/history.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import type { TestSystem } from '../support/system.ts';
import { refundHandleOf, refundWorkflowOf } from '../support/refunds.ts';
import { fillWallet, lockSku, lockWallet, refuseRefund } from '../support/obstacles.ts';
import { unansweredOrder } from '../support/unanswered.ts';
import { until } from '../support/until.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';
import { registerWebhook } from '../support/webhooks.ts';

const WINDOW = 15 * 60_000;

export type Path = (system: TestSystem) => Promise<string>;

interface OrderOptions {
  funds?: number;
  /** An existing wallet, instead of a new one with the funds. */
  wallet?: string;
  paymentMode?: 'debit' | 'hold';
}

/** An order of 2 units at 500. */
async function placeOrder(
  { shop }: TestSystem,
  { funds = 5_000, wallet: existing, paymentMode = 'debit' }: OrderOptions = {},
) {
  const [sku, wallet] = await Promise.all([shop.sku(10), existing ?? shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2, { paymentMode });
  return { id, workflowId: orderWorkflowId(id), wallet, sku };
}

async function placeAndPay(system: TestSystem, options?: OrderOptions) {
  const order = await placeOrder(system, options);
  await system.shop.pay(order.id);
  return order;
}

/** An order whose payment has fallen back to a regular activity, which waits until the wallet is unlocked. */
async function holdUpPayment(system: TestSystem, options?: OrderOptions) {
  const order = await placeOrder(system, options);
  const unlock = await lockWallet(system.sql, order.wallet);
  const paying = system.shop.pay(order.id);
  await untilEvents(system.client, order.workflowId, 'activityTaskScheduledEventAttributes', 1);
  return { ...order, unlock, paying };
}

const OPERATOR = { actor: 'operator', reason: 'recorded' };

/** Resolves when the order has an attention mark. */
const untilMarked = ({ sql }: TestSystem, orderId: string) =>
  until(`order ${orderId} to be marked`, async () => {
    const marks = await sql`select from attention where order_id = ${orderId}`;
    return marks.length > 0 ? true : undefined;
  });

/** An order whose payment keeps failing until the wallet is unlocked, and which has a mark for that. */
async function failPayment(system: TestSystem) {
  const order = await holdUpPayment(system);
  await untilMarked(system, order.id);
  return { ...order, handle: system.client.workflow.getHandle(order.workflowId) };
}

export const ORDER_PATHS: Readonly<Record<string, Path>> = {
  'paid-debit': async (system) => (await placeAndPay(system)).workflowId,

  'paid-hold': async (system) => (await placeAndPay(system, { paymentMode: 'hold' })).workflowId,

  // With all that an order may have besides its lines.
  'paid-at-once': async ({ shop }) => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const more = {
      adjustments: [
        { kind: 'discount', label: 'Ten per cent off', amount: -100, sku },
        { kind: 'tax', label: 'VAT', amount: 171 },
      ],
      total: { amount: 1_071, currency: 'EUR' },
      pay: true,
    };
    const answer = await shop.order(wallet, [{ sku, quantity: 2, unitPrice: 500 }], more);
    return orderWorkflowId(idOf(expectStatus(answer, 201)));
  },

  'paid-after-refusal-at-once': async ({ shop }) => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(0)]);
    const refused = await shop.order(wallet, [{ sku, quantity: 2 }], { pay: true });
    const id = String(refused.body.orderId);
    await shop.topUp(wallet, 1_000);
    await shop.pay(id);
    return orderWorkflowId(id);
  },

  'paid-after-refusal': async (system) => {
    const { id, workflowId, wallet } = await placeOrder(system, { funds: 0 });
    await system.shop.pay(id);
    await system.shop.topUp(wallet, 1_000);
    await system.shop.pay(id);
    return workflowId;
  },

  'paid-by-fallback-activity': async (system) => {
    const { workflowId, unlock, paying } = await holdUpPayment(system);
    await unlock();
    await paying;
    return workflowId;
  },

  'paid-after-attention': async (system) => {
    const { workflowId, unlock, paying } = await failPayment(system);
    await unlock();
    await paying;
    return workflowId;
  },

  'paid-after-retry-by-operator': async (system) => {
    const { workflowId, unlock, paying, handle } = await failPayment(system);
    await handle.executeUpdate(retryNowUpdate, { args: [OPERATOR] });
    await unlock();
    await paying;
    return workflowId;
  },

  'paid-after-payment-was-skipped': async (system) => {
    const { id, workflowId, unlock, paying, handle } = await failPayment(system);
    await handle.executeUpdate(skipStepUpdate, { args: [{ ...OPERATOR, step: 'pay' }] });
    await Promise.all([unlock(), paying]);
    await system.shop.pay(id);
    return workflowId;
  },

  'paid-after-deadline-was-put-off': async (system) => {
    const { id, workflowId } = await placeOrder(system);
    const later = new Date(Date.now() + 2 * WINDOW).toISOString();
    await system.client.workflow
      .getHandle(workflowId)
      .executeUpdate(extendDeadlineUpdate, { args: [{ ...OPERATOR, until: later }] });
    await system.clock.forward(workflowId, WINDOW + 1_000);
    await system.shop.pay(id);
    return workflowId;
  },

  'given-up-while-payment-fails': async (system) => {
    const { workflowId, unlock, paying, handle } = await failPayment(system);
    const givingUp = handle.executeUpdate(giveUpUpdate, { args: [OPERATOR] });
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await unlock();
    await Promise.all([paying, givingUp]);
    return workflowId;
  },

  'given-up-while-reservation-fails': async (system) => {
    const [sku, wallet] = await Promise.all([system.shop.sku(10), system.shop.wallet(0)]);
    const unlock = await lockSku(system.sql, sku);
    const placing = system.shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder(system);
    await untilMarked(system, id);
    await system.client.workflow
      .getHandle(orderWorkflowId(id))
      .executeUpdate(giveUpUpdate, { args: [OPERATOR] });
    await Promise.all([unlock(), placing]);
    return orderWorkflowId(id);
  },

  'cancelled-after-compensation-failed': async (system) => {
    const { id, workflowId, wallet } = await placeOrder(system, { paymentMode: 'hold' });
    const unlock = await lockWallet(system.sql, wallet);
    const cancelling = system.shop.cancel(id);
    await untilMarked(system, id);
    await unlock();
    await cancelling;
    return workflowId;
  },

  'paid-past-deadline': async (system) => {
    const { id, workflowId, wallet } = await placeOrder(system);
    await system.clock.forward(workflowId, WINDOW - 1_000);
    const unlock = await lockWallet(system.sql, wallet);
    const paying = system.shop.pay(id);
    await untilEvents(system.client, workflowId, 'timerFiredEventAttributes', 1);
    await unlock();
    await paying;
    return workflowId;
  },

  expired: async (system) => {
    const { workflowId } = await placeOrder(system, { paymentMode: 'hold' });
    await system.clock.forward(workflowId, WINDOW);
    return workflowId;
  },

  'expired-after-refusal': async (system) => {
    const { id, workflowId } = await placeOrder(system, { funds: 0 });
    await system.shop.pay(id);
    await system.clock.forward(workflowId, WINDOW);
    return workflowId;
  },

  'cancelled-before-payment': async (system) => {
    const { id, workflowId } = await placeOrder(system);
    await system.shop.cancel(id);
    return workflowId;
  },

  'cancelled-while-paying': async (system) => {
    const { id, workflowId, unlock, paying } = await holdUpPayment(system);
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await unlock();
    await Promise.all([paying, cancelling]);
    return workflowId;
  },

  'cancelled-while-payment-is-refused': async (system) => {
    const { id, workflowId, unlock, paying } = await holdUpPayment(system, { funds: 0 });
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await unlock();
    await Promise.all([paying, cancelling]);
    return workflowId;
  },

  'cancelled-while-paying-and-refund-fails': async (system) => {
    const { id, workflowId, unlock, paying } = await holdUpPayment(system);
    const allowRefund = await refuseRefund(system.sql, id);
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await Promise.all([unlock(), paying]);
    await untilEvents(system.client, workflowId, 'activityTaskScheduledEventAttributes', 2);
    await allowRefund();
    await cancelling;
    return workflowId;
  },

  'cancelled-before-reservation-is-answered': async (system) => {
    const { shop, sql, client } = system;
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(0)]);
    const unlock = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
    const workflowId = orderWorkflowId(await unansweredOrder(system));
    await untilEvents(client, workflowId, 'activityTaskScheduledEventAttributes', 1);
    await client.workflow.getHandle(workflowId).cancel();
    await placing;
    await unlock();
    return workflowId;
  },

  'cancelled-in-web-ui': async (system) => {
    const { workflowId } = await placeOrder(system, { paymentMode: 'hold' });
    await system.client.workflow.getHandle(workflowId).cancel();
    return workflowId;
  },

  'rejected-out-of-stock': async ({ shop }) => {
    const [sku, wallet] = await Promise.all([shop.sku(1), shop.wallet(0)]);
    return rejectedWorkflow(await shop.order(wallet, [{ sku, quantity: 2 }]));
  },

  'rejected-insufficient-funds': async ({ shop }) => {
    const [sku, wallet] = await Promise.all([shop.sku(1), shop.wallet(0)]);
    return rejectedWorkflow(await shop.order(wallet, [{ sku, quantity: 1 }], { paymentMode: 'hold' }));
  },

  'refunded-with-restock': async (system) => {
    const { id } = await placeAndPay(system);
    await system.shop.refund(id, true);
    return refundWorkflowOf(system, id);
  },

  'refunded-after-retry-by-operator': async (system) => {
    const { id, wallet } = await placeAndPay(system);
    const unlock = await lockWallet(system.sql, wallet);
    const refunding = system.shop.refund(id, true);
    await untilMarked(system, id);
    const handle = await refundHandleOf(system, id);
    await handle.executeUpdate(retryNowUpdate, { args: [OPERATOR] });
    await Promise.all([unlock(), refunding]);
    return refundWorkflowOf(system, id);
  },

  'refunded-after-wallet-was-full': async (system) => {
    const { id, wallet } = await placeAndPay(system);
    await fillWallet(system.sql, wallet);
    await system.shop.refund(id, true);
    await placeAndPay(system, { wallet });
    return refundWorkflowOf(system, id);
  },

  'refunded-after-wallet-was-full-and-retry-by-operator': async (system) => {
    const { id, wallet } = await placeAndPay(system);
    await fillWallet(system.sql, wallet);
    await system.shop.refund(id, true);
    const handle = await refundHandleOf(system, id);
    await handle.executeUpdate(retryNowUpdate, { args: [OPERATOR] });
    await placeAndPay(system, { wallet });
    return refundWorkflowOf(system, id);
  },

  'refunded-without-restock': async (system) => {
    const { id } = await placeAndPay(system);
    await system.shop.refund(id, false);
    return refundWorkflowOf(system, id);
  },

  'refunded-in-part-by-units': async (system) => {
    const { id, sku } = await placeAndPay(system);
    await system.shop.refundOrder(id, { reason: 'scratched', lines: [{ sku, quantity: 1, restock: true }] });
    return refundWorkflowOf(system, id);
  },
};

export const PATHS: Readonly<Record<string, Path>> = {
  ...ORDER_PATHS,
  ...PAYMENT_PATHS,

  // Another test resets each order above to each of its tasks; these have too many tasks for that, or no task of their own.
  'cancelled-while-paying-and-wallet-is-full': async (system) => {
    const { id, workflowId, wallet, unlock, paying } = await holdUpPayment(system);
    const allowRefund = await refuseRefund(system.sql, id);
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await Promise.all([unlock(), paying]);
    await fillWallet(system.sql, wallet);
    await allowRefund();
    await cancelling;
    await placeAndPay(system, { wallet });
    return workflowId;
  },

  'refunded-in-part-by-amount': async (system) => {
    const { id } = await placeAndPay(system);
    await system.shop.refundOrder(id, { reason: 'scratched', amount: 250 });
    return refundWorkflowOf(system, id);
  },

  'refunded-in-part-after-wallet-was-full': async (system) => {
    const { id, wallet } = await placeAndPay(system);
    await fillWallet(system.sql, wallet);
    await system.shop.refundOrder(id, { reason: 'scratched', amount: 250 });
    await placeAndPay(system, { wallet });
    return refundWorkflowOf(system, id);
  },

  'paid-after-as-many-refusals-as-are-tried': async (system) => {
    const { id, workflowId, wallet } = await placeOrder(system, { funds: 0 });
    for (let count = 0; count <= PAYMENT_LIMITS.refused; count += 1) await system.shop.pay(id);
    await system.shop.topUp(wallet, 1_000);
    await system.shop.pay(id);
    return workflowId;
  },

  reconciled: async ({ client, taskQueue }) => {
    const workflowId = `${WORKFLOW.reconcile}-recorded`;
    await client.workflow.execute(WORKFLOW.reconcile, {
      workflowId,
      taskQueue,
      args: [{ repairCounters: true, payments: true }],
    });
    return workflowId;
  },

  'stats-counted': async (system) => {
    await placeAndPay(system);
    const workflowId = `${WORKFLOW.stats}-recorded`;
    await system.client.workflow.execute(WORKFLOW.stats, { workflowId, taskQueue: system.taskQueue });
    return workflowId;
  },

  'keys-removed': async ({ client, taskQueue }) => {
    const workflowId = `${WORKFLOW.retention}-recorded`;
    await client.workflow.execute(WORKFLOW.retention, {
      workflowId,
      taskQueue,
      args: [{ inMonths: true, deliveries: true }],
    });
    return workflowId;
  },

  sealed: async ({ client, taskQueue }) => {
    const workflowId = `${WORKFLOW.seal}-recorded`;
    await client.workflow.execute(WORKFLOW.seal, { workflowId, taskQueue });
    return workflowId;
  },

  monitored: async (system) => {
    const workflowId = `${WORKFLOW.monitor}-recorded`;
    await raiseAlert(system, workflowId);
    return workflowId;
  },

  'alert-delivered': async (system) => {
    await raiseAlert(system, `${WORKFLOW.monitor}-that-alerts`);
    return deliverWorkflowId(system.taskQueue, { name: 'abnormal_orders', receiver: 'webhook' });
  },

  'webhooks-woken': async ({ client, taskQueue }) => {
    const workflowId = `${WORKFLOW.webhooks}-recorded`;
    await client.workflow.execute(WORKFLOW.webhooks, { workflowId, taskQueue });
    return workflowId;
  },

  'webhook-delivered-after-failures': async (system) => {
    const { receiver, webhookId, workflowId } = await aWebhook(system);
    receiver.behave(() => 500);
    await placeAndPay(system);
    await untilArrived(receiver, 1);
    receiver.behave(() => 204);
    // The next attempt is due after some seconds.
    await system.clock.forward(workflowId, 10_000);
    await untilArrived(receiver, 3);
    return endWebhook(system, { receiver, webhookId, workflowId });
  },

  'webhook-disabled-and-enabled': async (system) => {
    const webhook = await aWebhook(system);
    webhook.receiver.behave(() => 410);
    await placeAndPay(system);
    await untilArrived(webhook.receiver, 1);
    webhook.receiver.behave(() => 204);
    await until('the webhook to be disabled', async () => {
      const rows =
        await system.sql`select from webhook where id = ${webhook.webhookId} and state = 'disabled'`;
      return rows.length > 0;
    });
    await system.shop.raw(`/v1/webhooks/${webhook.webhookId}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ enabled: true }),
    });
    await untilArrived(webhook.receiver, 3);
    return endWebhook(system, webhook);
  },
};

interface RecordedWebhook {
  receiver: WebhookReceiver;
  webhookId: string;
  workflowId: string;
}

/** A receiver of everything that happens from now on. */
async function aWebhook({ database }: TestSystem): Promise<RecordedWebhook> {
  const receiver = await startWebhookReceiver();
  const { id } = await registerWebhook(database.reaching({ shop: ALL_SHOPS }), { url: receiver.url });
  return { receiver, webhookId: id, workflowId: webhookWorkflowId(id) };
}

const untilArrived = ({ arrived }: WebhookReceiver, count: number) =>
  until(`${count} events to arrive`, () => Promise.resolve(arrived.length >= count));

/** Nothing more is to be sent: the workflow waits for news for some minutes, and ends. */
async function endWebhook({ clock, database }: TestSystem, webhook: RecordedWebhook): Promise<string> {
  const { receiver, webhookId, workflowId } = webhook;
  await until('nothing to be due', async () => (await nextDue(database, webhookId)) === null);
  await clock.forward(workflowId, 11 * 60_000);
  await receiver.down();
  await removeWebhook(database.reaching({ shop: ALL_SHOPS }), { id: webhookId, ifVersion: undefined });
  return workflowId;
}

/** Runs the monitor on an order that needs attention, so that it opens an alert. */
async function raiseAlert(
  { client, database, sql, taskQueue }: TestSystem,
  workflowId: string,
): Promise<void> {
  const orderId = uuidv7();
  const mark = {
    workflowId: orderWorkflowId(orderId),
    orderId,
    step: 'pay',
    reason: 'payment_failing',
  } as const;
  await raiseAttention(database, { ...mark, raisedAt: new Date().toISOString() });
  await sql`delete from alert_delivery`;
  await sql`delete from alert_notice`;
  await sql`delete from alert`;
  await client.workflow.execute(WORKFLOW.monitor, { workflowId, taskQueue });
}

/** A rejected order's problem document names the order. */
const rejectedWorkflow = ({ headers, status, body }: Parameters<typeof idOf>[0]): string =>
  orderWorkflowId(idOf({ headers, status, body: { id: body['orderId'] } }));
