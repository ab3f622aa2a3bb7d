/** An order that is created and paid in one of the ways, until it is seen to be paid. */
import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus, type AddPayment, type ApiClient } from '../../../api/client.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../../domain/workflow-ids.ts';
import type { Catalogue } from '../catalogue.ts';
import { persist } from '../persist.ts';
import type { Way } from './figures.ts';

/** Short, and yet a question costs the API less than the order does. */
const POLL_MS = 25;
const PATIENCE_MS = 60_000;

export interface PaidOrder {
  ms: number;
  orderWorkflowId: string;
  paymentWorkflowIds: string[];
}

const SOURCE = 'ok';

const PAYMENTS: Readonly<Record<Exclude<Way, 'pay'>, (total: number) => AddPayment[]>> = {
  wallet: (amount) => [{ method: 'wallet', amount }],
  provider: (amount) => [{ method: 'provider', amount, source: SOURCE }],
  'wallet and provider': (total) => {
    const half = Math.floor(total / 2);
    return [
      { method: 'wallet', amount: half },
      { method: 'provider', amount: total - half, source: SOURCE },
    ];
  },
};

/** @throws when it is not paid as it should be. */
export async function payOrder(
  api: ApiClient,
  catalogue: Catalogue,
  way: Way,
  signal: AbortSignal,
): Promise<PaidOrder> {
  const startedAt = performance.now();
  const order = catalogue.nextOrder();
  const created = await persist((options) => api.createOrder(order, options));
  const { id, total } = expectStatus(created.answer, 201).body;
  const paymentIds: string[] = [];
  if (way === 'pay') expectStatus((await persist((options) => api.payOrder(id, options))).answer, 200);
  else
    for (const payment of PAYMENTS[way](total?.amount ?? 0)) {
      const { answer } = await persist((options) => api.addPayment(id, payment, options));
      paymentIds.push(expectStatus(answer, 201).body.id);
    }
  await untilPaid(api, id, startedAt, signal);
  return {
    ms: performance.now() - startedAt,
    orderWorkflowId: orderWorkflowId(id),
    paymentWorkflowIds: paymentIds.map(paymentWorkflowId),
  };
}

async function untilPaid(api: ApiClient, id: string, startedAt: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { stage } = expectStatus(await api.getOrder(id), 200).body;
    if (stage === 'paid') return;
    if (stage !== 'awaiting_payment' || performance.now() - startedAt > PATIENCE_MS)
      throw new Error(`Order ${id} is ${stage} and not paid.`);
    await delay(POLL_MS, undefined, { signal });
  }
}
