/** What a payment provider sends is kept once, finds its payment when that is known, and ends when somebody has done something about it. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  endNotification,
  keepNotification,
  listWaitingNotifications,
  markNotificationsHandled,
  type NewNotification,
  type NotificationCursor,
} from '../../../db/payments/notifications.ts';
import { freshDatabase } from '../../support/database.ts';
import { paymentSteps } from '../../support/payment-steps.ts';
import { payment } from '../../support/step-requests.ts';

const { database, sql } = await freshDatabase();
const { openOrder, ask, open } = paymentSteps({ database, sql });

const NOON = new Date('2026-01-01T12:00:00.000Z');
const after = (seconds: number) => new Date(NOON.getTime() + seconds * 1_000);

const about = (reference: string, receivedAt = NOON): NewNotification => ({
  id: `msg_${randomUUID()}`,
  reference,
  providerId: 'tx',
  type: 'payment.captured',
  receivedAt,
});

const waiting = async () =>
  (await listWaitingNotifications(database, { limit: 100 })).map(({ id, state, paymentId }) => ({
    id,
    state,
    paymentId,
  }));

async function openPart() {
  const { orderId } = await openOrder();
  return { orderId, paymentId: await open(orderId, { method: 'provider' }) };
}

describe('a notification', () => {
  test('is kept with the payment that it is about, once however often it comes, as it came first', async () => {
    const { orderId, paymentId } = await openPart();
    const sent = about(paymentId);
    const kept = { ...sent, state: 'received', paymentId, orderId };
    expect(await keepNotification(database, sent)).toEqual(kept);
    expect(
      await keepNotification(database, { ...sent, type: 'payment.voided', receivedAt: after(9) }),
    ).toEqual(kept);
    const [other] = [about(paymentId)];
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => keepNotification(database, other ?? sent)),
    );
    expect(new Set(answers.map(({ id }) => id))).toEqual(new Set([other?.id]));
    expect(await sql`select from payment_notification where reference = ${paymentId}`).toHaveLength(2);
  });

  test.each([
    ['of a payment that nobody asked for', randomUUID()],
    ['whose reference is not ours', 'order-17'],
    ['whose reference is nearly ours', `${randomUUID()}x`],
  ])('%s is kept as unmatched', async (_, reference) => {
    expect(await keepNotification(database, about(reference))).toMatchObject({
      state: 'unmatched',
      paymentId: null,
      orderId: null,
    });
  });

  test('that comes before its payment finds it later, and then is handled', async () => {
    const { orderId } = await openOrder();
    const { commandId: paymentId } = payment(orderId);
    const early = about(paymentId);
    await keepNotification(database, early);
    expect(await waiting()).toContainEqual({ id: early.id, state: 'unmatched', paymentId: null });
    await ask(orderId, { method: 'provider' }, paymentId);
    expect(await waiting()).toContainEqual({ id: early.id, state: 'unmatched', paymentId });
    await markNotificationsHandled(database, { reference: paymentId, receivedUntil: NOON, at: after(1) });
    expect((await waiting()).map(({ id }) => id)).not.toContain(early.id);
    expect(await keepNotification(database, early)).toMatchObject({ state: 'handled' });
  });

  test('that came after its provider was asked waits until it is asked again', async () => {
    const { paymentId } = await openPart();
    const [before, later] = [about(paymentId), about(paymentId, after(10))];
    await keepNotification(database, later);
    await keepNotification(database, before);
    const ofPayment = async () =>
      (await waiting()).filter((one) => one.paymentId === paymentId).map(({ id }) => id);
    expect(await ofPayment()).toEqual([before.id, later.id]);
    const asked = { reference: paymentId, receivedUntil: after(5), at: after(6) };
    expect(await markNotificationsHandled(database, asked)).toBe(1);
    expect(await markNotificationsHandled(database, asked)).toBe(0);
    expect(await ofPayment()).toEqual([later.id]);
  });

  test('is listed once in pages of any length, the oldest first', async () => {
    const several = Array.from({ length: 4 }, (_, index) =>
      about(randomUUID(), after(index < 2 ? 0 : index)),
    );
    for (const one of several) await keepNotification(database, one);
    const all = (await listWaitingNotifications(database, { limit: 100 })).map(({ id }) => id);
    expect(all).toEqual(expect.arrayContaining(several.map(({ id }) => id)));
    const paged: string[] = [];
    for (let end: NotificationCursor | undefined; ;) {
      const [next] = await listWaitingNotifications(database, { after: end, limit: 1 });
      if (next === undefined) break;
      paged.push(next.id);
      end = next;
    }
    expect(paged).toEqual(all);
  });

  test('whose money was given back ends, once', async () => {
    const stray = about(randomUUID());
    await keepNotification(database, stray);
    expect(await endNotification(database, { id: stray.id, at: after(900) })).toBe(true);
    expect(await endNotification(database, { id: stray.id, at: after(901) })).toBe(false);
    expect(await keepNotification(database, stray)).toMatchObject({ state: 'returned' });
  });
});
