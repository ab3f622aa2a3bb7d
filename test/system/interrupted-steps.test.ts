/**
 * Every step of an order but its reservation, in both payment modes, interrupted in every way: before its effect, after it
 * and before the answer, with an attempt that commits long after it was given up, and with a twin attempt at the same
 * time. The order goes on as if nothing had happened, and every effect is there once.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { afterEach, describe, expect, test } from 'vitest';
import { PAYMENT_MODES, type PaymentMode, type Step } from '../../domain/order.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { orderQuery } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { untilEvents } from '../support/history.ts';
import {
  WHOLE,
  WINDOW,
  casesOf,
  done,
  countLate,
  open,
  refunded,
  refused,
  sold,
  startInterruptedOrders,
  unpaid,
  type Facts,
  type PlacedOrder,
} from '../support/interrupted-orders.ts';
import { always } from '../support/interruptions.ts';
import { until } from '../support/until.ts';

const system = await startInterruptedOrders();
const { shop, client, clock, sql, startWorker, stopWorker } = system;
const { interrupt, placeOrder, placePaidOrder, factsOf } = system;

afterEach(() => expectRulesHold(sql));

/** A part of an order's life whose step is interrupted, and the command that follows it. */
interface Scenario {
  name: string;
  step: Step;
  modes?: readonly PaymentMode[];
  before: (mode: PaymentMode) => Promise<PlacedOrder>;
  act: (order: PlacedOrder) => Promise<unknown>;
  answer: object;
  facts: (mode: PaymentMode) => Facts;
  next: (order: PlacedOrder) => Promise<unknown>;
  nextAnswer: object;
  nextFacts: (mode: PaymentMode) => Facts;
}

async function expire({ id }: PlacedOrder): Promise<unknown> {
  await clock.forward(orderWorkflowId(id), WINDOW);
  return client.workflow.getHandle(orderWorkflowId(id)).result();
}
const expired = { stage: 'expired', reason: 'payment_window_ended' };

const payment = {
  step: 'pay',
  before: placeOrder,
  act: ({ id }: PlacedOrder) => shop.pay(id),
  answer: done('paid'),
  facts: sold,
} as const;

/** The buyer has topped up before a late attempt lands: it could pay. */
const refusedPayment = {
  step: 'pay',
  modes: ['debit'],
  before: (mode: PaymentMode) => placeOrder(mode, 999),
  act: async ({ id, wallet }: PlacedOrder) => {
    const answer = await shop.pay(id);
    await shop.topUp(wallet, 4_001);
    return answer;
  },
  answer: refused(422, 'insufficient_funds'),
  facts: open,
} as const;

const SCENARIOS: readonly Scenario[] = [
  {
    ...payment,
    name: 'a payment that is cancelled afterwards',
    next: ({ id }) => shop.cancel(id),
    nextAnswer: done('refunded'),
    nextFacts: (mode) => refunded(mode, true),
  },
  {
    ...payment,
    name: 'a payment that is refunded afterwards',
    next: ({ id }) => shop.refund(id, false),
    nextAnswer: done('refunded'),
    nextFacts: (mode) => refunded(mode, false),
  },
  {
    ...refusedPayment,
    name: 'a refused payment of an order that is paid afterwards',
    next: ({ id }) => shop.pay(id),
    nextAnswer: done('paid'),
    nextFacts: sold,
  },
  {
    ...refusedPayment,
    name: 'a refused payment of an order that is cancelled afterwards',
    next: ({ id }) => shop.cancel(id),
    nextAnswer: done('cancelled'),
    nextFacts: () => unpaid('cancelled'),
  },
  {
    ...refusedPayment,
    name: 'a refused payment of an order that expires afterwards',
    next: expire,
    nextAnswer: expired,
    nextFacts: () => unpaid('expired'),
  },
  {
    name: 'the release of a cancelled order',
    step: 'release',
    before: placeOrder,
    act: ({ id }) => shop.cancel(id),
    answer: done('cancelled'),
    facts: () => unpaid('cancelled'),
    next: ({ id }) => shop.pay(id),
    nextAnswer: refused(409, 'order_cancelled'),
    nextFacts: () => unpaid('cancelled'),
  },
  {
    name: 'the release of an expired order',
    step: 'release',
    before: placeOrder,
    act: expire,
    answer: expired,
    facts: () => unpaid('expired'),
    next: ({ id }) => shop.pay(id),
    nextAnswer: refused(409, 'order_expired'),
    nextFacts: () => unpaid('expired'),
  },
  ...[true, false].map((restock): Scenario => ({
    name: `a refund ${restock ? 'with' : 'without'} restock`,
    step: 'refund',
    before: placePaidOrder,
    act: ({ id }) => shop.refund(id, restock),
    answer: done('refunded'),
    facts: (mode) => refunded(mode, restock),
    next: ({ id }) => shop.refund(id, !restock),
    nextAnswer: refused(409, 'order_not_refundable'),
    nextFacts: (mode) => refunded(mode, restock),
  })),
];

// All at once: each statement names its order, and reservations of different SKUs share no statement.
describe.concurrent.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
  '%s ends as if nothing had interrupted it,',
  (_name, { step, modes, before, act, answer, facts, next, nextAnswer, nextFacts }) => {
    test.each(casesOf(modes))('%s', async (_, { attempts, mode, lands }) => {
      const order = await before(mode);
      const plan = interrupt(step, order.id, attempts);
      const landing = async () => expect(await plan.land()).toBe(countLate(attempts));

      expect(await act(order)).toMatchObject(answer);
      expect(plan.happened()).toBe(attempts.length);
      expect(await factsOf(order)).toEqual(facts(mode));
      if (lands === 'before') {
        await landing();
        expect(await factsOf(order)).toEqual(facts(mode));
      }
      expect(await next(order)).toMatchObject(nextAnswer);
      if (lands === 'after') await landing();
      expect(await factsOf(order)).toEqual(nextFacts(mode));
    });
  },
);

describe.concurrent('a cancel during an interrupted payment refunds it', () => {
  const cases = PAYMENT_MODES.flatMap((mode) =>
    (['fails before it is sent', 'commits but loses its answer', 'commits late'] as const).map(
      (interruption) => [mode, interruption] as const,
    ),
  );
  test.each(cases)('in %s mode, when the payment %s', async (mode, interruption) => {
    const order = await placeOrder(mode);
    const plan = interrupt('pay', order.id, always(interruption));
    const paying = shop.pay(order.id);
    await until('the fallback', async () => plan.happened() >= 2);
    const cancelling = shop.cancel(order.id);
    await untilEvents(client, orderWorkflowId(order.id), 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    plan.stop();
    expect(await paying).toMatchObject({ status: 200 });
    expect(await cancelling).toMatchObject(done('refunded'));
    await plan.land();
    expect(await factsOf(order)).toEqual(refunded(mode, true));
  });
});

test('a step that failed while its workflow was queried goes on after its worker was replaced', async () => {
  // Only nearly always is the query answered just as the quick attempt ends.
  for (let isBetween = false; !isBetween;) {
    const { id, sku, wallet } = await placeOrder('hold');
    const workflow = client.workflow.getHandle(orderWorkflowId(id));
    await stopWorker();
    await clock.forward(orderWorkflowId(id), WINDOW);
    const querying = workflow.query(orderQuery);
    const plan = interrupt('release', id, always('fails before it is sent'));
    await startWorker();
    await querying;
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    isBetween = await isDivided(workflow);

    await stopWorker();
    await startWorker();
    plan.stop();
    expect(await workflow.result()).toMatchObject({ stage: 'expired' });
    expect(await shop.stockOf(sku)).toEqual(WHOLE);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  }
});

/** Whether the last quick attempt and the fallback that followed it belong to different tasks. */
async function isDivided(workflow: WorkflowHandle): Promise<boolean> {
  const events = (await workflow.fetchHistory()).events ?? [];
  const fallback = events.findLastIndex((event) => event.activityTaskScheduledEventAttributes);
  const attempt = events.findLastIndex(
    ({ markerRecordedEventAttributes: marker }) => marker?.markerName === 'core_local_activity',
  );
  return events.slice(attempt, fallback).some((event) => event.workflowTaskCompletedEventAttributes);
}
