/** Every path of an order's life, played through the API. Each returns the id of the workflow whose history tells it. */
import { orderWorkflowId, refundWorkflowId } from '../../workflows/contract.ts';
import { untilEvents } from '../support/history.ts';
import { idOf } from '../support/shop.ts';
import type { TestSystem } from '../support/system.ts';
import { lockSku, lockWallet } from '../support/trouble.ts';
import { until } from '../support/until.ts';

const WINDOW = 15 * 60_000;

type Path = (system: TestSystem) => Promise<string>;

interface OrderOptions {
  funds?: number;
  paymentMode?: 'debit' | 'hold';
}

/** An order of 2 units at 500. */
async function placed({ shop }: TestSystem, { funds = 5_000, paymentMode = 'debit' }: OrderOptions = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
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

/** Resolves with the newest order that has no answer yet. */
const unansweredOrder = ({ sql }: TestSystem) =>
  until('an order without an answer', async () => {
    const [row] = await sql<{ id: string }[]>`
      select command_id as id
      from idempotency_key
      where operation = 'createOrder' and response_status is null
      order by recorded_at desc
      limit 1
    `;
    return row?.id;
  });

export const PATHS: Readonly<Record<string, Path>> = {
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

  'refunded-without-restock': async (system) => {
    const { id } = await paid(system);
    await system.shop.refund(id, false);
    return refundWorkflowId(id);
  },
};

/** A rejected order's problem document names the order. */
const rejectedWorkflow = ({ headers, status, body }: Parameters<typeof idOf>[0]): string =>
  orderWorkflowId(idOf({ headers, status, body: { id: body['orderId'] } }));
