/** The paths of orders that are paid in parts, and of their payments. */
import { LAST_LOOK_AFTER_MS } from '../../domain/timeouts.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, resolvePaymentUpdate } from '../../workflows/messages.ts';
import type { Source } from '../../dev/provider/behaviour.ts';
import { untilSettled } from '../support/payments.ts';
import { refundWorkflowOf } from '../support/refunds.ts';
import { idOf } from '../support/shop.ts';
import type { TestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const WINDOW = 15 * 60_000;
const EXTENSION = 5 * 60_000;
const HOUR = 60 * 60_000;

type Path = (system: TestSystem) => Promise<string>;

/** An order of 2 units at 500, and the ways to pay it. */
async function placeOrder({ shop }: TestSystem, funds = 5_000) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2);
  const add = async (part: object) => idOf(await shop.post(`/v1/orders/${id}/payments`, part));
  return {
    id,
    workflowId: orderWorkflowId(id),
    byWallet: (amount?: number) => add({ method: 'wallet', ...(amount !== undefined && { amount }) }),
    byProvider: (source: Source, amount?: number) =>
      add({ method: 'provider', source, ...(amount !== undefined && { amount }) }),
  };
}

/** A payment that has no id for its caller. */
const refusedByProvider = ({ shop }: TestSystem, orderId: string, source: Source) =>
  shop.post(`/v1/orders/${orderId}/payments`, { method: 'provider', source });

const untilPaid = ({ shop }: TestSystem, orderId: string) =>
  until(`order ${orderId} to be paid`, async () => (await shop.stageOf(orderId)) === 'paid');

const untilExtended = ({ shop }: TestSystem, orderId: string) =>
  until(
    'the deadline to be put off',
    async () => (await shop.getOrder(orderId)).body['deadlineExtended'] === true,
  );

async function payInParts(system: TestSystem) {
  const order = await placeOrder(system);
  await order.byWallet(400);
  const paymentId = await order.byProvider('ok');
  await untilPaid(system, order.id);
  return { ...order, paymentId };
}

export const PAYMENT_PATHS: Readonly<Record<string, Path>> = {
  'paid-in-parts': async (system) => (await payInParts(system)).workflowId,

  'paid-by-provider': async (system) => {
    const { id, workflowId, byProvider } = await placeOrder(system);
    await byProvider('ok');
    await untilPaid(system, id);
    return workflowId;
  },

  'paid-after-a-part-was-declined': async (system) => {
    const { id, workflowId, byWallet } = await placeOrder(system);
    await refusedByProvider(system, id, 'declined');
    await byWallet();
    await untilPaid(system, id);
    return workflowId;
  },

  'paid-after-a-capture-was-refused': async (system) => {
    const { id, workflowId, byWallet } = await placeOrder(system);
    await refusedByProvider(system, id, 'capture-refused');
    await until('the order to wait again', async () => {
      const [order] = await system.sql<{ secured: number }[]>`select secured from orders where id = ${id}`;
      return order?.secured === 0;
    });
    await byWallet();
    await untilPaid(system, id);
    return workflowId;
  },

  'paid-after-its-deadline-was-extended': async (system) => {
    const { id, workflowId, byProvider } = await placeOrder(system);
    const paymentId = await byProvider('pending-forever');
    await system.clock.forward(workflowId, WINDOW);
    await untilExtended(system, id);
    const by = { actor: 'operator', reason: 'recorded' };
    await system.client.workflow
      .getHandle(paymentWorkflowId(paymentId))
      .executeUpdate(resolvePaymentUpdate, { args: [{ ...by, outcome: 'declined' }] });
    await system.shop.pay(id);
    return workflowId;
  },

  'expired-with-a-live-payment': async (system) => {
    const { id, workflowId, byProvider } = await placeOrder(system);
    await byProvider('pending-forever');
    await system.clock.forward(workflowId, WINDOW);
    await untilExtended(system, id);
    await system.clock.forward(workflowId, EXTENSION);
    return workflowId;
  },

  'cancelled-with-live-payments': async (system) => {
    const { id, workflowId, byWallet, byProvider } = await placeOrder(system);
    await byWallet(400);
    await byProvider('ok', 500);
    await system.shop.cancel(id);
    return workflowId;
  },

  'refunded-in-parts': async (system) => {
    const { id } = await payInParts(system);
    await system.shop.refund(id, true);
    return refundWorkflowOf(system, id);
  },

  'payment-captured': async (system) => paymentWorkflowId((await payInParts(system)).paymentId),

  'payment-voided-after-it-was-unknown': async (system) => {
    const { id, byProvider } = await placeOrder(system);
    const paymentId = await byProvider('pending-forever');
    const workflowId = paymentWorkflowId(paymentId);
    await system.clock.forward(workflowId, HOUR);
    await system.shop.cancel(id);
    await untilSettled(system.sql, id);
    // The wait for it begins a moment after what leads to it was answered.
    await system.clock.forward(workflowId, LAST_LOOK_AFTER_MS + 60_000);
    return workflowId;
  },

  'payment-resolved-by-operator': async (system) => {
    const { id, byProvider } = await placeOrder(system);
    const workflowId = paymentWorkflowId(await byProvider('pending-forever'));
    await system.client.workflow.getHandle(workflowId).executeUpdate(resolvePaymentUpdate, {
      args: [{ actor: 'operator', reason: 'recorded', outcome: 'declined' }],
    });
    await system.shop.pay(id);
    await system.clock.forward(workflowId, LAST_LOOK_AFTER_MS + 60_000);
    return workflowId;
  },

  'payment-returned': async (system) => {
    const { id, byProvider } = await placeOrder(system);
    const workflowId = paymentWorkflowId(await byProvider('void-captured', 500));
    await system.shop.cancel(id);
    await until('the payment to be returned', async () => {
      const rows = await system.sql`select from payment where order_id = ${id} and state = 'returned'`;
      return rows.length === 1;
    });
    return workflowId;
  },

  'payments-woken': async ({ client, taskQueue }) => {
    const workflowId = `${WORKFLOW.payments}-recorded`;
    await client.workflow.execute(WORKFLOW.payments, { workflowId, taskQueue });
    return workflowId;
  },
};
