/** What an operator may do to an order in which a step keeps failing. Every rule holds whatever the operator does. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { pay } from '../../../db/steps/pay.ts';
import { giveUpUpdate, retryNowUpdate, skipStepUpdate } from '../../../workflows/messages.ts';
import { expectRulesHold } from '../../support/database.ts';
import { failingSteps, refusalOf } from '../../support/failing-steps.ts';
import { lockSku, lockWallet } from '../../support/obstacles.ts';
import { startSystem } from '../../support/system.ts';
import { unansweredOrder } from '../../support/unanswered.ts';
import { until } from '../../support/until.ts';

const system = await startSystem({ attentionAfter: 100 });
const { shop, sql } = system;
const { workflowOf, marksOf, untilMarked, interventionsOf, failPayment } = failingSteps(system);

afterEach(() => expectRulesHold(sql));

const BY = { actor: 'dana', reason: 'the wallet is repaired' };

/** Makes the payment that waits for its answer without its workflow knowing, as an attempt does whose answer is lost. */
async function payUnnoticed(orderId: string): Promise<void> {
  const [row] = await sql<{ commandId: string }[]>`
    select command_id as "commandId"
    from idempotency_key
    where operation = 'payOrder' and response_status is null
    order by recorded_at desc
    limit 1
  `;
  const commandId = z.string().parse(row?.commandId);
  const paid = await pay(system.database, { orderId, commandId, at: new Date().toISOString() });
  expect(paid).toEqual({ stage: 'paid', reason: null, refusal: null });
}

describe('an operator', () => {
  test('can have a failing step retried at once, and the intervention is recorded', async () => {
    const { id, unlock, paying, wallet } = await failPayment();
    // Past the first, short pauses between two tries: without the update the next one would be seconds away.
    await until('a long pause before the next try', async () => {
      const { raw } = await workflowOf(id).describe();
      return raw.pendingActivities?.some(({ attempt }) => (attempt ?? 0) >= 4) ? true : undefined;
    });
    await unlock();
    const answer = await workflowOf(id).executeUpdate(retryNowUpdate, { args: [BY] });
    expect(answer).toEqual({ stage: 'paying', step: 'pay' });
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    await workflowOf(id).result();
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    expect(await interventionsOf(id)).toMatchObject([
      { action: 'retry_now', actor: 'dana', reason: 'the wallet is repaired', step: 'pay' },
    ]);
    const scheduled = (await workflowOf(id).fetchHistory()).events?.filter(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'pay',
    );
    expect(scheduled).toHaveLength(2);
  });

  test.each(['debit', 'hold'])(
    'skips a failing payment in %s mode: no money moves, not even by a late attempt, and the buyer may pay again',
    async (paymentMode) => {
      const { id, unlock, paying, wallet } = await failPayment({ paymentMode });
      const skipped = workflowOf(id).executeUpdate(skipStepUpdate, { args: [{ ...BY, step: 'pay' }] });
      expect(await paying).toMatchObject({ status: 409, body: { code: 'order_not_payable' } });
      expect(await skipped).toEqual({ stage: 'awaiting_payment', step: 'pay' });
      const whileOpen = { posted: 5_000, held: paymentMode === 'hold' ? 1_000 : 0 };
      expect(await shop.balanceOf(wallet)).toEqual(whileOpen);
      await unlock();
      expect(await shop.balanceOf(wallet)).toEqual(whileOpen);
      expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
      await workflowOf(id).result();
      expect(await interventionsOf(id)).toMatchObject([{ action: 'skip_step', step: 'pay', actor: 'dana' }]);
    },
  );

  test('skips a payment that was made in the meantime: the payment counts, and the money is taken once', async () => {
    const { id, unlock, paying, wallet } = await failPayment();
    await system.stopWorker();
    await unlock();
    await payUnnoticed(id);
    const skipping = workflowOf(id).executeUpdate(skipStepUpdate, { args: [{ ...BY, step: 'pay' }] });
    await system.startWorker();
    await skipping;
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'paid' });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
  });

  test.each(['debit', 'hold'])(
    'gives up an order in %s mode whose payment fails: nothing is taken, and everything is given back',
    async (paymentMode) => {
      const { id, unlock, paying, sku, wallet } = await failPayment({ paymentMode });
      const givingUp = workflowOf(id).executeUpdate(giveUpUpdate, { args: [BY] });
      await until('the payment to be skipped', async () => {
        const rows = await sql`select from order_step where order_id = ${id} and step = 'pay'`;
        return rows.length > 0 ? true : undefined;
      });
      await unlock();
      expect(await paying).toMatchObject({ status: 409, body: { code: 'order_not_payable' } });
      expect(await givingUp).toEqual({ stage: 'cancelled', step: 'pay' });
      expect((await shop.get(`/v1/orders/${id}`)).body).toMatchObject({
        stage: 'cancelled',
        reason: 'the wallet is repaired',
      });
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      await workflowOf(id).result();
      expect(await interventionsOf(id)).toMatchObject([{ action: 'give_up', step: 'pay' }]);
    },
  );

  test('gives up an order that was paid in the meantime: it is refunded and restocked', async () => {
    const { id, unlock, paying, sku, wallet } = await failPayment();
    await system.stopWorker();
    await unlock();
    await payUnnoticed(id);
    const givingUp = workflowOf(id).executeUpdate(giveUpUpdate, { args: [BY] });
    await system.startWorker();
    expect(await givingUp).toMatchObject({ stage: 'refunded' });
    expect(await paying).toMatchObject({ status: 200 });
    expect(await shop.stageOf(id)).toBe('refunded');
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  });

  test('gives up an order whose reservation fails: it is cancelled, and a late attempt reserves nothing', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const unlock = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder(system);
    await until('a mark', async () => ((await marksOf(id)).length > 0 ? true : undefined));
    const answer = await workflowOf(id).executeUpdate(giveUpUpdate, { args: [BY] });
    expect(answer).toEqual({ stage: 'cancelled', step: 'reserve' });
    expect(await placing).toMatchObject({ status: 409, body: { code: 'order_cancelled' } });
    await unlock();
    await workflowOf(id).result();
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await marksOf(id)).toMatchObject([{ cleared: true }]);
  });

  test('gives up an order that waits for its payment: it is cancelled', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2);
    expect(await workflowOf(id).executeUpdate(giveUpUpdate, { args: [BY] })).toEqual({
      stage: 'cancelled',
      step: null,
    });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  });

  test('who would break a rule is refused, and nothing is written', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2, { paymentMode: 'hold' });
    const order = workflowOf(id);
    expect(await refusalOf(order.executeUpdate(retryNowUpdate, { args: [BY] }))).toContain('nothing_failing');
    const skip = (step: 'release' | 'pay') =>
      refusalOf(order.executeUpdate(skipStepUpdate, { args: [{ ...BY, step }] }));
    expect(await skip('pay')).toContain('nothing_failing');

    const unlock = await lockWallet(sql, wallet);
    const cancelling = shop.cancel(id);
    await untilMarked(id);
    expect(await skip('pay')).toContain('not_skippable: The step that is being retried is release');
    expect(await skip('release')).toContain('not_skippable: The step release cannot be skipped. The units');
    expect(await refusalOf(order.executeUpdate(giveUpUpdate, { args: [BY] }))).toContain(
      'not_open: This order is already being cancelled.',
    );
    await unlock();
    await cancelling;
    expect(await interventionsOf(id)).toEqual([]);
  });

  test.each([
    ['no name', { actor: ' ', reason: 'x' }],
    ['no reason', { actor: 'dana', reason: '' }],
    ['a reason of 501 characters', { actor: 'dana', reason: 'x'.repeat(501) }],
    ['a name that PostgreSQL cannot store', { actor: 'da\0na', reason: 'x' }],
  ])('who signs with %s is refused', async (_what, by) => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    expect(await refusalOf(workflowOf(id).executeUpdate(giveUpUpdate, { args: [by] }))).toContain('unsigned');
    await shop.cancel(id);
  });

  test('who sends a command by hand that PostgreSQL could not store is refused, and the order goes on', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    const send = (name: string, typed: unknown) =>
      refusalOf(workflowOf(id).executeUpdate<unknown, [unknown]>(name, { args: [typed] }));
    const commandId = randomUUID();
    expect(await send('pay', null)).toContain('malformed');
    expect(await send('pay', { commandId: 'mine' })).toContain('malformed');
    expect(await send('cancel', { commandId })).toContain('malformed');
    expect(await send('cancel', { commandId, reason: 'a\0b' })).toContain('malformed');
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('who sends the same update twice acts once', async () => {
    const { id, unlock, paying } = await failPayment();
    const updateId = 'retry after repair';
    await workflowOf(id).executeUpdate(retryNowUpdate, { updateId, args: [BY] });
    await workflowOf(id).executeUpdate(retryNowUpdate, { updateId, args: [BY] });
    await unlock();
    await paying;
    await workflowOf(id).result();
    expect(await interventionsOf(id)).toHaveLength(1);
  });
});
