/** A payment that nobody knows about, and what the schedule of payments finds that nobody woke. */
import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { recordPayment } from '../../../db/steps/payments/record-payment.ts';
import type { Source } from '../../../dev/provider/behaviour.ts';
import type { PaymentState, RefundPaymentState } from '../../../domain/payments.ts';
import { LAST_LOOK_AFTER_MS } from '../../../domain/timeouts.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../../domain/workflow-ids.ts';
import {
  WORKFLOW,
  paymentQuery,
  resolvePaymentUpdate,
  retryNowUpdate,
  type PaymentsEnd,
  type ResolvePayment,
} from '../../../workflows/messages.ts';
import { expectRulesHold } from '../../support/database.ts';
import { countEvents } from '../../support/history.ts';
import { startPayingSystem } from '../../support/paying-system.ts';
import { expectNoMoneyLost, paymentStatesOf, readBook } from '../../support/payments.ts';
import { idOf } from '../../support/shop.ts';
import { until } from '../../support/until.ts';

const UNKNOWN_AFTER = 60_000;
const UNMATCHED_AFTER = 60_000;
/** The wait for the last look begins a moment after what leads to it was answered. */
const PAST_LAST_LOOK_MS = LAST_LOOK_AFTER_MS + 60_000;
const system = await startPayingSystem({ unknownAfter: UNKNOWN_AFTER, unmatchedAfter: UNMATCHED_AFTER });
const { shop, client, clock, sql, database, provider, relay, taskQueue } = system;

afterEach(async () => {
  await expectNoMoneyLost(sql, provider.settings);
  await expectRulesHold(sql);
});

async function addPayment(source: Source, part: { amount?: number } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const orderId = await shop.placed(wallet, sku, 2);
  const added = await shop.post(`/v1/orders/${orderId}/payments`, {
    method: 'provider',
    source,
    ...part,
  });
  const paymentId = idOf(added);
  return { orderId, wallet, paymentId, workflow: client.workflow.getHandle(paymentWorkflowId(paymentId)) };
}

const untilStates = (orderId: string, ...states: PaymentState[]) =>
  until(`the payments of order ${orderId} to be ${states.join(', ')}`, async () =>
    (await paymentStatesOf(sql, orderId)).every((state, at) => state === states[at]),
  );

const marksOf = (paymentId: string) => sql<{ reason: string; isOpen: boolean }[]>`
  select reason, cleared_at is null as "isOpen" from attention where workflow_id = ${paymentWorkflowId(paymentId)}`;

const by = { actor: 'dana', reason: 'the provider says so on the telephone' };

/** A run of what the schedule starts. */
const runSchedule = () =>
  client.workflow.execute<() => Promise<PaymentsEnd>>(WORKFLOW.payments, {
    workflowId: `payments-${randomUUID()}`,
    taskQueue,
    args: [],
  });

test('a payment that stays unknown gets a mark, is asked for again, and a person says how it stands', async () => {
  const { orderId, paymentId, workflow } = await addPayment('pending-forever');
  expect(await workflow.query(paymentQuery)).toMatchObject({ state: 'pending', attention: null });
  await clock.forward(paymentWorkflowId(paymentId), 2 * UNKNOWN_AFTER);
  await until('the mark', async () => (await marksOf(paymentId)).length === 1);
  expect(await marksOf(paymentId)).toEqual([{ reason: 'payment_unknown', isOpen: true }]);
  const unsigned = { ...by, actor: '', outcome: 'declined' } as const;
  await expect(workflow.executeUpdate(resolvePaymentUpdate, { args: [unsigned] })).rejects.toThrow();
  const resolved = await workflow.executeUpdate(resolvePaymentUpdate, {
    args: [{ ...by, outcome: 'declined' }],
  });
  expect(resolved).toEqual({ state: 'declined' });
  await clock.forward(paymentWorkflowId(paymentId), PAST_LAST_LOOK_MS);
  expect(await workflow.result()).toEqual({ state: 'declined' });
  expect(await marksOf(paymentId)).toEqual([{ reason: 'payment_unknown', isOpen: false }]);
  const [done] = await sql<{ action: string; actor: string }[]>`
    select action, actor from intervention where order_id = ${orderId}`;
  expect(done).toEqual({ action: 'resolve_payment', actor: 'dana' });
  expect(await shop.pay(orderId)).toMatchObject({ status: 200, body: { stage: 'paid' } });
});

test('a payment whose state is known is not for a person to decide', async () => {
  const { workflow, orderId } = await addPayment('ok', { amount: 400 });
  const resolving = workflow.executeUpdate(resolvePaymentUpdate, { args: [{ ...by, outcome: 'captured' }] });
  await expect(resolving).rejects.toMatchObject({ cause: { type: 'not_unknown' } });
  const retrying = workflow.executeUpdate(retryNowUpdate, { args: [by] });
  await expect(retrying).rejects.toMatchObject({ cause: { type: 'nothing_failing' } });
  await shop.cancel(orderId);
  await untilStates(orderId, 'voided');
});

test('retryNow asks at once what would be asked again only a minute later', async () => {
  const { workflow, paymentId, orderId } = await addPayment('pending-forever');
  const asked = () =>
    countEvents(client, paymentWorkflowId(paymentId), 'activityTaskScheduledEventAttributes');
  await clock.forward(paymentWorkflowId(paymentId), 30_000);
  const before = await asked();
  await workflow.executeUpdate(retryNowUpdate, { args: [by] });
  // One records who asked for it.
  await until('another question', async () => (await asked()) === before + 2);
  await shop.cancel(orderId);
  await untilStates(orderId, 'voided');
});

test('money that a provider sets aside for a payment that was given up meanwhile is let go, though it notifies nobody', async () => {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const orderId = await shop.placed(wallet, sku, 2);
  const [before] = await sql<{ at: Date }[]>`select clock_timestamp() as at`;
  provider.process.child.kill('SIGSTOP');
  const adding = shop.post(`/v1/orders/${orderId}/payments`, { method: 'provider', source: 'silent' });
  const paymentId = await until('the payment to be read, and its provider to be asked', async () => {
    const [row] = await sql<{ id: string }[]>`
      select id from payment
      where
        order_id = ${orderId}
        and exists (
          select from pg_stat_activity
          where
            datname = current_database() and application_name = 'holdfast payments' and state = 'idle'
            and query like '%"isNotified"%' and query_start > ${before?.at ?? null}
        )`;
    return row?.id;
  });
  await recordPayment(database, { paymentId, state: 'voided', at: new Date().toISOString() });
  provider.process.child.kill('SIGCONT');
  await adding;
  await until('the provider to let it go', async () => {
    const book = await readBook(provider.settings);
    return book.find(({ reference }) => reference === paymentId)?.state === 'voided';
  });
});

/** A payment that its provider has not made yet, of an order that is over, when the last question for it was carried out nowhere so far. */
async function giveUpUnmade() {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const orderId = await shop.placed(wallet, sku, 2);
  const adding = shop.post(`/v1/orders/${orderId}/payments`, { method: 'provider', source: 'open-error' });
  const paymentId = await until('the payment to be opened', async () => {
    const [row] = await sql<{ id: string }[]>`select id from payment where order_id = ${orderId}`;
    return row?.id;
  });
  const workflow = client.workflow.getHandle(paymentWorkflowId(paymentId));
  await until(
    'a question in vain',
    async () => (await workflow.query(paymentQuery).catch(() => undefined))?.unknownSince ?? undefined,
  );
  await sql`update payment set opened_at = opened_at - interval '1 minute' where id = ${paymentId}`;
  const asked = () =>
    countEvents(client, paymentWorkflowId(paymentId), 'activityTaskScheduledEventAttributes');
  const before = await asked();
  await shop.cancel(orderId);
  await adding;
  await until('the provider to be asked', async () => (await asked()) > before);
  /** The question arrives, and nobody is notified. */
  const arrive = async () => {
    const { url, key } = provider.settings;
    const response = await fetch(`${url}/v1/payments`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': `authorise ${paymentId}`,
      },
      body: JSON.stringify({
        reference: paymentId,
        order: orderId,
        amount: 1_000,
        currency: 'EUR',
        source: 'silent',
      }),
    });
    expect(response.status).toBe(201);
  };
  return { orderId, paymentId, workflow, arrive };
}

const untilAtProvider = (paymentId: string, state: string) =>
  until(
    `the provider to have ${paymentId} ${state}`,
    async () =>
      (await readBook(provider.settings)).find(({ reference }) => reference === paymentId)?.state === state,
    30_000,
  );

test('a question that was repeated just before its payment was given up, and arrives only then, is let go', async () => {
  const { orderId, paymentId, arrive } = await giveUpUnmade();
  await arrive();
  await untilAtProvider(paymentId, 'voided');
  await untilStates(orderId, 'voided');
}, 60_000);

test('money that a provider sets aside long after its payment was given up as unknown is let go, though nobody is notified', async () => {
  const { orderId, paymentId, workflow, arrive } = await giveUpUnmade();
  await clock.forward(paymentWorkflowId(paymentId), 60_000);
  await untilStates(orderId, 'voided');
  await arrive();
  await clock.forward(paymentWorkflowId(paymentId), PAST_LAST_LOOK_MS);
  await untilAtProvider(paymentId, 'voided');
  expect(await workflow.result()).toEqual({ state: 'voided' });
}, 60_000);

test('money that a provider takes although it answered that it is voided is given back, though nobody is notified', async () => {
  const { orderId, paymentId, workflow } = await addPayment('void-captured', { amount: 400 });
  relay.to(undefined);
  try {
    await shop.cancel(orderId);
    await untilStates(orderId, 'voided');
    await untilAtProvider(paymentId, 'captured');
    await clock.forward(paymentWorkflowId(paymentId), PAST_LAST_LOOK_MS);
    expect(await workflow.result()).toEqual({ state: 'returned' });
  } finally {
    relay.to(system.send);
  }
});

test('an order whose payments cannot be captured for hours looks again ever more rarely, and is paid once they are', async () => {
  const { orderId } = await addPayment('ok', { amount: 400 });
  provider.process.child.kill('SIGSTOP');
  try {
    await shop.post(`/v1/orders/${orderId}/payments`, { method: 'wallet', amount: 600 });
    await until('its money to be taken', async () =>
      (await paymentStatesOf(sql, orderId)).every((state) => state === 'capturing' || state === 'captured'),
    );
    await clock.forward(orderWorkflowId(orderId), 6 * 3_600_000);
    const looked = await countEvents(client, orderWorkflowId(orderId), 'timerFiredEventAttributes');
    // Once a minute would be 360 times, and fill a history in days.
    expect(looked).toBeGreaterThan(20);
    expect(looked).toBeLessThan(40);
  } finally {
    provider.process.child.kill('SIGCONT');
  }
  await until('the order to be paid', async () => (await shop.stageOf(orderId)) === 'paid', 60_000);
}, 120_000);

/** An order of 10 euros that its provider's payment paid, with what a person does at the provider by hand. */
async function paidOrder() {
  const { orderId, wallet, paymentId, workflow } = await addPayment('ok');
  await until('the order to be paid', async () => (await shop.stageOf(orderId)) === 'paid');
  // What it asks from then on is about refunds.
  await workflow.result();
  const { url, key } = provider.settings;
  const refundByHand = async (amount: number) => {
    const [payment] = await sql<
      { id: string }[]
    >`select provider_id as id from payment where id = ${paymentId}`;
    const reference = randomUUID();
    const response = await fetch(`${url}/v1/payments/${payment?.id ?? ''}/refunds`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': reference,
      },
      body: JSON.stringify({ reference, amount }),
    });
    expect(response.status).toBe(200);
  };
  const refund = async (amount: number) => {
    expect(await shop.refundOrder(orderId, { reason: 'broken', amount })).toMatchObject({ status: 200 });
  };
  const untilParts = (...states: RefundPaymentState[]) =>
    until(`the refunds to be ${states.join(', ')}`, async () => {
      const parts = await sql<{ state: string }[]>`
        select state from refund_payment join refund using (order_id, command_id) where order_id = ${orderId} order by version`;
      return parts.map(({ state }) => state).join() === states.join();
    });
  const untilInVain = () =>
    until(
      'a question in vain',
      async () => (await workflow.query(paymentQuery).catch(() => undefined))?.unknownSince ?? undefined,
      30_000,
    );
  const resolve = (outcome: ResolvePayment['outcome']) =>
    workflow.executeUpdate(resolvePaymentUpdate, { args: [{ ...by, outcome }] });
  return { orderId, wallet, refundByHand, refund, untilParts, untilInVain, resolve };
}

test('a refund that somebody has made at the provider by hand counts as sent', async () => {
  const { refundByHand, refund, untilParts } = await paidOrder();
  await refund(200);
  await untilParts('sent');
  await refundByHand(700);
  await refund(700);
  await untilParts('sent', 'sent');
});

test('a refund for which too little is left at the provider, by another refund than ours, is for a person to decide', async () => {
  const { orderId, refundByHand, refund, untilParts, untilInVain, resolve } = await paidOrder();
  await refundByHand(400);
  await refund(700);
  await untilInVain();
  await untilParts('owed');
  await expect(resolve('declined')).rejects.toMatchObject({ cause: { type: 'not_unknown' } });
  expect(await resolve('refunded')).toEqual({ state: 'captured' });
  await untilParts('sent');
  const done = await sql`select action, actor, step from intervention where order_id = ${orderId}`;
  expect(done).toEqual([{ action: 'resolve_payment', actor: 'dana', step: 'refund' }]);
  // Somebody has given the rest back besides: the books agree.
  await refundByHand(300);
});

test('nothing is owed of a payment that is only not known yet', async () => {
  const { workflow, orderId } = await addPayment('pending-forever');
  for (const outcome of ['refunded', 'to_wallet'] as const)
    await expect(
      workflow.executeUpdate(resolvePaymentUpdate, { args: [{ ...by, outcome }] }),
    ).rejects.toMatchObject({ cause: { type: 'not_unknown' } });
  await shop.cancel(orderId);
  await untilStates(orderId, 'voided');
});

test('the schedule starts the workflow of a payment again that was terminated', async () => {
  const { workflow, paymentId, orderId } = await addPayment('pending-forever');
  await workflow.terminate('a test');
  await sql`update payment set updated_at = updated_at - interval '1 minute' where id = ${paymentId}`;
  expect((await runSchedule()).started).toBeGreaterThan(0);
  expect(await client.workflow.getHandle(paymentWorkflowId(paymentId)).query(paymentQuery)).toMatchObject({
    state: 'pending',
  });
  await shop.cancel(orderId);
  await untilStates(orderId, 'voided');
});

const notify = (reference: string, count = 1, age = 0) => sql`
  insert into payment_notification (id, reference, provider_id, type, received_at, state)
  select ${randomUUID()} || number, ${reference}, 'x', 'payment.captured', now() - ${age} * interval '1 millisecond', 'unmatched'
  from generate_series(1, ${count}) as number`;

test('a notification is acted on however many older ones wait', async () => {
  const { workflow, paymentId, orderId } = await addPayment('pending-forever');
  await workflow.terminate('a test');
  const stray = randomUUID();
  await notify(stray, 1_000, UNMATCHED_AFTER / 2);
  await notify(paymentId);
  expect((await runSchedule()).matched).toBeGreaterThan(0);
  expect(await client.workflow.getHandle(paymentWorkflowId(paymentId)).query(paymentQuery)).toMatchObject({
    state: 'pending',
  });
  await sql`delete from payment_notification where reference = ${stray}`;
  await shop.cancel(orderId);
  await untilStates(orderId, 'voided');
});

test('the schedule leaves a payment that runs to its growing pauses, also while a notification about it waits', async () => {
  const { paymentId, orderId } = await addPayment('pending-forever');
  await clock.forward(paymentWorkflowId(paymentId), 30_000);
  await notify(paymentId);
  const signals = () =>
    countEvents(client, paymentWorkflowId(paymentId), 'workflowExecutionSignaledEventAttributes');
  const before = await signals();
  expect((await runSchedule()).matched).toBeGreaterThan(0);
  expect(await signals()).toBe(before);
  await shop.cancel(orderId);
  await untilStates(orderId, 'voided');
});

/** Asks the provider for a payment as nobody here would. */
async function payElsewhere(source: Source): Promise<string> {
  const { url, key } = provider.settings;
  const reference = randomUUID();
  const response = await fetch(`${url}/v1/payments`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'idempotency-key': reference,
    },
    body: JSON.stringify({ reference, order: randomUUID(), amount: 500, currency: 'EUR', source }),
  });
  expect(response.ok).toBe(true);
  await until('its notification', async () => (await notificationsOf(reference)).length > 0);
  return reference;
}

const notificationsOf = (reference: string) => sql<{ state: string }[]>`
  select state from payment_notification where reference = ${reference} order by received_at, id`;

test.for([
  { source: 'ok', at: { state: 'voided', captured: 0 } },
  { source: 'wrong-captured', at: { state: 'captured', captured: 501, refunded: 501 } },
] as const)(
  'money of a payment that nobody here asked for is given back after a while ($source)',
  async ({ source, at }) => {
    const reference = await payElsewhere(source);
    await runSchedule();
    expect(await notificationsOf(reference)).toEqual([{ state: 'unmatched' }]);
    await sql`update payment_notification set received_at = received_at - interval '1 hour' where reference = ${reference}`;
    expect(await runSchedule()).toMatchObject({ returned: 1 });
    const book = await readBook(provider.settings);
    expect(book.find((booked) => booked.reference === reference)).toMatchObject(at);
    const [first] = await notificationsOf(reference);
    expect(first).toEqual({ state: 'returned' });
    // It stays a finding until somebody has looked.
    await sql`delete from payment_notification where reference = ${reference}`;
  },
);

test('what a buyer paid with is removed after a day, however the payment ended', async () => {
  const { orderId, paymentId } = await addPayment('pending-forever');
  const left = () => sql`select from payment_source where payment_id = ${paymentId}`;
  await runSchedule();
  expect(await left()).toHaveLength(1);
  await sql`update payment_source set recorded_at = recorded_at - interval '25 hours' where payment_id = ${paymentId}`;
  expect((await runSchedule()).removedSources).toBe(1);
  expect(await left()).toHaveLength(0);
  await shop.cancel(orderId);
  await untilStates(orderId, 'voided');
});

test('what a provider that is gone owes goes to the wallet when a person decides so, and once', async () => {
  const { wallet, refund, untilParts, untilInVain, resolve } = await paidOrder();
  provider.process.child.kill('SIGKILL');
  await provider.process.ended;
  try {
    await refund(600);
    await untilInVain();
    expect(await resolve('to_wallet')).toEqual({ state: 'captured' });
    await untilParts('to_wallet');
  } finally {
    await provider.restart();
  }
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_600, held: 0 });
}, 60_000);
