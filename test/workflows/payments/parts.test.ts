/** An order that is paid in parts, by its wallet and by a payment provider. */
import { afterEach, expect, test } from 'vitest';
import { orderWorkflowId, paymentWorkflowId } from '../../../domain/workflow-ids.ts';
import { expectRulesHold } from '../../support/database.ts';
import { startProvider } from '../../support/provider.ts';
import { idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const WINDOW = 900_000;
const provider = await startProvider();
const system = await startSystem({ paymentWindow: WINDOW, payments: { provider: provider.settings } });
const { shop, client, clock, sql } = system;

afterEach(() => expectRulesHold(sql));

/** An order of 2 units at 500. */
async function placeOrder(funds = 5_000) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

interface Part {
  method: 'wallet' | 'provider';
  amount?: number;
  source?: string;
}

const addPayment = (orderId: string, part: Part) => shop.post(`/v1/orders/${orderId}/payments`, part);

const stateOf = async (paymentId: string) => {
  const [payment] = await sql<{ state: string; reason: string | null }[]>`
    select state, reason from payment where id = ${paymentId}`;
  return payment;
};

const untilState = (paymentId: string, state: string) =>
  until(`payment ${paymentId} to be ${state}`, async () => (await stateOf(paymentId))?.state === state);

const untilStage = (orderId: string, stage: string) =>
  until(`order ${orderId} to be ${stage}`, async () => (await shop.stageOf(orderId)) === stage);

test('a payment by provider that covers the order pays it', async () => {
  const { id, wallet } = await placeOrder();
  const added = await addPayment(id, { method: 'provider', source: 'ok' });
  expect(added).toMatchObject({ status: 201 });
  await untilStage(id, 'paid');
  expect(await stateOf(idOf(added))).toEqual({ state: 'captured', reason: null });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  await client.workflow.getHandle(paymentWorkflowId(idOf(added))).result();
  expect(await client.workflow.getHandle(orderWorkflowId(id)).result()).toMatchObject({ stage: 'paid' });
});
