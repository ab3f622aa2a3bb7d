/** Every path of an order's life, played through the API, reconciliation, counting and the monitor. Each returns the id of the workflow whose history tells it. */
import { v7 as uuidv7 } from 'uuid';
import { raiseAttention } from '../../db/attention.ts';
import { PAYMENT_LIMITS } from '../../domain/order.ts';
import { deliverWorkflowId, orderWorkflowId, refundWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, giveUpUpdate, retryNowUpdate, skipStepUpdate } from '../../workflows/messages.ts';
import { untilEvents } from '../support/history.ts';
import { idOf } from '../support/shop.ts';
import type { TestSystem } from '../support/system.ts';
import { fillWallet, lockSku, lockWallet, refuseRefund } from '../support/trouble.ts';
import { unansweredOrder } from '../support/unanswered.ts';
import { until } from '../support/until.ts';

const WINDOW = 15 * 60_000;

type Path = (system: TestSystem) => Promise<string>;

interface OrderOptions {
  funds?: number;
  /** One that is there, instead of a new one with the funds. */
  wallet?: string;
  paymentMode?: 'debit' | 'hold';
}

/** An order of 2 units at 500. */
async function placed(
  { shop }: TestSystem,
  { funds = 5_000, wallet: given, paymentMode = 'debit' }: OrderOptions = {},
) {
  const [sku, wallet] = await Promise.all([shop.sku(10), given ?? shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2, { paymentMode });
  return { id, workflowId: orderWorkflowId(id), wallet };
}

async function paid(system: TestSystem, options?: OrderOptions) {
  const order = await placed(system, options);
  await system.shop.pay(order.id);
  return order;
}

/** An order whose payment has fallen back to a regular activity, which waits until it is let go. */
async function paymentHeldUp(system: TestSystem, options?: OrderOptions) {
  const order = await placed(system, options);
  const letGo = await lockWallet(system.sql, order.wallet);
  const paying = system.shop.pay(order.id);
  await untilEvents(system.client, order.workflowId, 'activityTaskScheduledEventAttributes', 1);
  return { ...order, letGo, paying };
}

const OPERATOR = { actor: 'operator', reason: 'recorded' };

/** Resolves when the order is marked for a person to look at. */
const untilMarked = ({ sql }: TestSystem, orderId: string) =>
  until(`order ${orderId} to be marked`, async () => {
    const marks = await sql`select from attention where order_id = ${orderId}`;
    return marks.length > 0 ? true : undefined;
  });

/** An order whose payment keeps failing until it is let go, and which is marked for that. */
async function paymentFailing(system: TestSystem) {
  const order = await paymentHeldUp(system);
  await untilMarked(system, order.id);
  return { ...order, handle: system.client.workflow.getHandle(order.workflowId) };
}

export const ORDER_PATHS: Readonly<Record<string, Path>> = {
  'paid-debit': async (system) => (await paid(system)).workflowId,

  'paid-hold': async (system) => (await paid(system, { paymentMode: 'hold' })).workflowId,

  'paid-after-refusal': async (system) => {
    const { id, workflowId, wallet } = await placed(system, { funds: 0 });
    await system.shop.pay(id);
    await system.shop.topUp(wallet, 1_000);
    await system.shop.pay(id);
    return workflowId;
  },

  'paid-by-fallback-activity': async (system) => {
    const { workflowId, letGo, paying } = await paymentHeldUp(system);
    await letGo();
    await paying;
    return workflowId;
  },

  'paid-after-attention': async (system) => {
    const { workflowId, letGo, paying } = await paymentFailing(system);
    await letGo();
    await paying;
    return workflowId;
  },

  'paid-after-retry-by-operator': async (system) => {
    const { workflowId, letGo, paying, handle } = await paymentFailing(system);
    await handle.executeUpdate(retryNowUpdate, { args: [OPERATOR] });
    await letGo();
    await paying;
    return workflowId;
  },

  'paid-after-payment-was-skipped': async (system) => {
    const { id, workflowId, letGo, paying, handle } = await paymentFailing(system);
    await handle.executeUpdate(skipStepUpdate, { args: [{ ...OPERATOR, step: 'pay' }] });
    await Promise.all([letGo(), paying]);
    await system.shop.pay(id);
    return workflowId;
  },

  'given-up-while-payment-fails': async (system) => {
    const { workflowId, letGo, paying, handle } = await paymentFailing(system);
    const givingUp = handle.executeUpdate(giveUpUpdate, { args: [OPERATOR] });
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await letGo();
    await Promise.all([paying, givingUp]);
    return workflowId;
  },

  'given-up-while-reservation-fails': async (system) => {
    const [sku, wallet] = await Promise.all([system.shop.sku(10), system.shop.wallet(0)]);
    const letGo = await lockSku(system.sql, sku);
    const placing = system.shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder(system);
    await untilMarked(system, id);
    await system.client.workflow
      .getHandle(orderWorkflowId(id))
      .executeUpdate(giveUpUpdate, { args: [OPERATOR] });
    await Promise.all([letGo(), placing]);
    return orderWorkflowId(id);
  },

  'cancelled-after-compensation-failed': async (system) => {
    const { id, workflowId, wallet } = await placed(system, { paymentMode: 'hold' });
    const letGo = await lockWallet(system.sql, wallet);
    const cancelling = system.shop.cancel(id);
    await untilMarked(system, id);
    await letGo();
    await cancelling;
    return workflowId;
  },

  'paid-past-deadline': async (system) => {
    const { id, workflowId, wallet } = await placed(system);
    await system.clock.forward(workflowId, WINDOW - 1_000);
    const letGo = await lockWallet(system.sql, wallet);
    const paying = system.shop.pay(id);
    await untilEvents(system.client, workflowId, 'timerFiredEventAttributes', 1);
    await letGo();
    await paying;
    return workflowId;
  },

  expired: async (system) => {
    const { workflowId } = await placed(system, { paymentMode: 'hold' });
    await system.clock.forward(workflowId, WINDOW);
    return workflowId;
  },

  'expired-after-refusal': async (system) => {
    const { id, workflowId } = await placed(system, { funds: 0 });
    await system.shop.pay(id);
    await system.clock.forward(workflowId, WINDOW);
    return workflowId;
  },

  'cancelled-before-payment': async (system) => {
    const { id, workflowId } = await placed(system);
    await system.shop.cancel(id);
    return workflowId;
  },

  'cancelled-while-paying': async (system) => {
    const { id, workflowId, letGo, paying } = await paymentHeldUp(system);
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await letGo();
    await Promise.all([paying, cancelling]);
    return workflowId;
  },

  'cancelled-while-payment-is-refused': async (system) => {
    const { id, workflowId, letGo, paying } = await paymentHeldUp(system, { funds: 0 });
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await letGo();
    await Promise.all([paying, cancelling]);
    return workflowId;
  },

  'cancelled-while-paying-and-refund-fails': async (system) => {
    const { id, workflowId, letGo, paying } = await paymentHeldUp(system);
    const allowRefund = await refuseRefund(system.sql, id);
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await Promise.all([letGo(), paying]);
    await untilEvents(system.client, workflowId, 'activityTaskScheduledEventAttributes', 2);
    await allowRefund();
    await cancelling;
    return workflowId;
  },

  'cancelled-before-reservation-is-answered': async (system) => {
    const { shop, sql, client } = system;
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(0)]);
    const letGo = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
    const workflowId = orderWorkflowId(await unansweredOrder(system));
    await untilEvents(client, workflowId, 'activityTaskScheduledEventAttributes', 1);
    await client.workflow.getHandle(workflowId).cancel();
    await placing;
    await letGo();
    return workflowId;
  },

  'cancelled-in-web-ui': async (system) => {
    const { workflowId } = await placed(system, { paymentMode: 'hold' });
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
    const { id } = await paid(system);
    await system.shop.refund(id, true);
    return refundWorkflowId(id);
  },

  'refunded-after-retry-by-operator': async (system) => {
    const { id, wallet } = await paid(system);
    const letGo = await lockWallet(system.sql, wallet);
    const refunding = system.shop.refund(id, true);
    await untilMarked(system, id);
    const handle = system.client.workflow.getHandle(refundWorkflowId(id));
    await handle.executeUpdate(retryNowUpdate, { args: [OPERATOR] });
    await Promise.all([letGo(), refunding]);
    return refundWorkflowId(id);
  },

  'refunded-after-wallet-was-full': async (system) => {
    const { id, wallet } = await paid(system);
    await fillWallet(system.sql, wallet);
    await system.shop.refund(id, true);
    await paid(system, { wallet });
    return refundWorkflowId(id);
  },

  'refunded-after-wallet-was-full-and-retry-by-operator': async (system) => {
    const { id, wallet } = await paid(system);
    await fillWallet(system.sql, wallet);
    await system.shop.refund(id, true);
    const handle = system.client.workflow.getHandle(refundWorkflowId(id));
    await handle.executeUpdate(retryNowUpdate, { args: [OPERATOR] });
    await paid(system, { wallet });
    return refundWorkflowId(id);
  },

  'refunded-without-restock': async (system) => {
    const { id } = await paid(system);
    await system.shop.refund(id, false);
    return refundWorkflowId(id);
  },
};

export const PATHS: Readonly<Record<string, Path>> = {
  ...ORDER_PATHS,

  // The next two are not among the others, which are reset to each of their tasks: they have too many.
  'cancelled-while-paying-and-wallet-is-full': async (system) => {
    const { id, workflowId, wallet, letGo, paying } = await paymentHeldUp(system);
    const allowRefund = await refuseRefund(system.sql, id);
    const cancelling = system.shop.cancel(id);
    await untilEvents(system.client, workflowId, 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await Promise.all([letGo(), paying]);
    await fillWallet(system.sql, wallet);
    await allowRefund();
    await cancelling;
    await paid(system, { wallet });
    return workflowId;
  },

  'paid-after-as-many-refusals-as-are-tried': async (system) => {
    const { id, workflowId, wallet } = await placed(system, { funds: 0 });
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
      args: [{ repairCounters: true }],
    });
    return workflowId;
  },

  'stats-counted': async (system) => {
    await paid(system);
    const workflowId = `${WORKFLOW.stats}-recorded`;
    await system.client.workflow.execute(WORKFLOW.stats, { workflowId, taskQueue: system.taskQueue });
    return workflowId;
  },

  monitored: async (system) => {
    const workflowId = `${WORKFLOW.monitor}-recorded`;
    await alerted(system, workflowId);
    return workflowId;
  },

  'alert-delivered': async (system) => {
    await alerted(system, `${WORKFLOW.monitor}-that-alerts`);
    return deliverWorkflowId(system.taskQueue, 'abnormal_orders');
  },
};

/** A run of the monitor that finds somebody to be told of an alert. */
async function alerted({ client, database, sql, taskQueue }: TestSystem, workflowId: string): Promise<void> {
  const orderId = uuidv7();
  const mark = {
    workflowId: orderWorkflowId(orderId),
    orderId,
    step: 'pay',
    reason: 'payment_failing',
  } as const;
  await raiseAttention(database, { ...mark, raisedAt: new Date().toISOString() });
  await sql`delete from alert_notice`;
  await sql`delete from alert`;
  await client.workflow.execute(WORKFLOW.monitor, { workflowId, taskQueue });
}

/** A rejected order's problem document names the order. */
const rejectedWorkflow = ({ headers, status, body }: Parameters<typeof idOf>[0]): string =>
  orderWorkflowId(idOf({ headers, status, body: { id: body['orderId'] } }));
