/** What a worker counts besides steps: payments of parts as they end, and events while PostgreSQL is away. */
import { afterAll, expect, test } from 'vitest';
import { createAdvancingActivities } from '../../activities/payments/advance.ts';
import { createResolvingActivities } from '../../activities/payments/resolve.ts';
import { createWalletProvider } from '../../activities/payments/wallet-provider.ts';
import { openDatabase } from '../../db/connection.ts';
import { release } from '../../db/steps/release.ts';
import { WORKER_METRICS } from '../../domain/metrics.ts';
import { openMetrics } from '../../process/metrics.ts';
import { countPayments, countPublished } from '../../worker/metrics.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { paymentSteps } from '../support/payment-steps.ts';
import { AT, releaseTo } from '../support/step-requests.ts';

const { database, sql, url } = await freshDatabase();
const { openOrder, open, settleOrder } = paymentSteps({ database, sql });

/** The series that are not zero. */
async function counted(metrics: { answer: () => Promise<string> }, name: string): Promise<string[]> {
  return (await metrics.answer())
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && !line.endsWith(' 0'));
}

test('a payment of a part is counted once when it ends, however often it is looked at', async () => {
  const metrics = openMetrics(WORKER_METRICS);
  const onMove = countPayments(metrics);
  const wallet = createWalletProvider(database);
  const advancing = createAdvancingActivities(database, {
    providerOf: () => wallet,
    unknownAfter: 60_000,
    onMove,
  });
  const { resolvePayment } = createResolvingActivities(database, onMove);
  const asked = { at: AT, isFirst: true, unknownSince: null, quietSince: null, isLastLook: true };
  const advance = async (paymentId: string, times: number): Promise<void> => {
    for (let time = 0; time < times; time++) await advancing.advancePayment({ paymentId, ...asked });
  };

  const paid = await openOrder(1_000);
  const whole = await open(paid.orderId, { method: 'wallet' });
  await advance(whole, 2);
  await settleOrder(paid.orderId);
  await advance(whole, 3);

  const poor = await openOrder(1_000, { funds: 10 });
  await advance(await open(poor.orderId, { method: 'wallet' }), 3);

  const over = await openOrder(1_000);
  const [half, other] = [
    await open(over.orderId, { method: 'wallet', amount: 500 }),
    await open(over.orderId, { method: 'provider', amount: 100 }),
  ];
  await advance(half, 1);
  await release(database, releaseTo(over.orderId, 'cancelled'));
  await advance(half, 3);
  for (let time = 0; time < 2; time++)
    await resolvePayment({ paymentId: other, outcome: 'voided', reason: 'asked them', at: AT });

  expect(await counted(metrics, 'holdfast_payments_total')).toEqual([
    'holdfast_payments_total{method="wallet",result="captured"} 1',
    'holdfast_payments_total{method="wallet",result="declined"} 1',
    'holdfast_payments_total{method="wallet",result="voided"} 1',
    'holdfast_payments_total{method="provider",result="voided"} 1',
  ]);
  await expectRulesHold(sql);
});

test('events are counted by type while PostgreSQL says nothing more of them, which is reported once', async () => {
  const away = openDatabase(url.replace(/:\d+\//, ':1/'), { connections: 1, name: 'away' });
  afterAll(() => away.close());
  const [metrics, reports] = [openMetrics(WORKER_METRICS), new Array<unknown>()];
  const count = countPublished(metrics, away, (error) => void reports.push(error));
  const { orderId } = await openOrder();
  const event = { orderId, version: 1, shopId: 'main', sequence: 1, type: 'order.awaiting_payment' } as const;
  for (let time = 0; time < 3; time++) {
    count([event]);
    await expect.poll(() => reports.length).toBe(1);
  }
  expect(await counted(metrics, 'holdfast_order_events_total')).toEqual([
    'holdfast_order_events_total{type="order.awaiting_payment"} 3',
  ]);
});
