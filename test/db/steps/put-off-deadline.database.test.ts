/** Puts deadlines off because a person says so, as the statement that workers run, on real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { putOffDeadline } from '../../../db/steps/put-off-deadline.ts';
import { extendDeadline } from '../../../db/steps/payments/extend-deadline.ts';
import { NIL_UUID } from '../../../db/schema/columns.ts';
import { release } from '../../../db/steps/release.ts';
import type { StepResult } from '../../../db/steps/step.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { paymentSteps } from '../../support/payment-steps.ts';
import { AT, releaseTo } from '../../support/step-requests.ts';

const { database, sql } = await freshDatabase();
const { openOrder, open } = paymentSteps({ database, sql });

afterEach(() => expectRulesHold(sql));

const OPEN: StepResult = { stage: 'awaiting_payment', reason: null, refusal: null };
const LATER = '2026-01-01T11:00:00.000Z';
const EVEN_LATER = '2026-01-01T12:00:00.000Z';

const putOff = (orderId: string, paymentDeadline = LATER, updateId: string = randomUUID()) =>
  putOffDeadline(database, { orderId, updateId, paymentDeadline, reason: 'asked by phone', at: AT });

const readOrder = async (orderId: string) => {
  const [order] = await sql`
    select stage, version, reason, payment_deadline as deadline, deadline_extended as extended from orders where id = ${orderId}
  `;
  return order;
};

describe('a deadline that a person puts off', () => {
  test('is put off once for each update, however often and at once its attempts run, and again by another update', async () => {
    const { orderId } = await openOrder();
    const updateId = 'typed by hand';
    const twice = await Promise.all([putOff(orderId, LATER, updateId), putOff(orderId, LATER, updateId)]);
    expect(twice).toEqual([
      { ...OPEN, paymentDeadline: LATER },
      { ...OPEN, paymentDeadline: LATER },
    ]);
    expect(await putOff(orderId, EVEN_LATER, updateId)).toEqual({ ...OPEN, paymentDeadline: LATER });
    expect(await putOff(orderId, EVEN_LATER)).toEqual({ ...OPEN, paymentDeadline: EVEN_LATER });
    expect(await readOrder(orderId)).toEqual({
      stage: 'awaiting_payment',
      version: 3,
      reason: null,
      deadline: new Date(EVEN_LATER),
      extended: false,
    });
    const events = await sql<{ stage: string; reason: string; has_command: boolean }[]>`
      select stage, reason, command_id is not null as has_command from order_event where order_id = ${orderId} and version > 1
    `;
    const event = { stage: 'awaiting_payment', reason: 'asked by phone', has_command: true };
    expect([...events]).toEqual([event, event]);
  });

  test('is never put off to an earlier time, and the update keeps its key free', async () => {
    const { orderId } = await openOrder();
    const { deadline } = (await readOrder(orderId)) ?? {};
    const updateId = randomUUID();
    expect(await putOff(orderId, AT, updateId)).toEqual({
      ...OPEN,
      paymentDeadline: deadline.toISOString(),
    });
    expect(await readOrder(orderId)).toMatchObject({ version: 1, deadline });
    expect(await putOff(orderId, LATER, updateId)).toEqual({ ...OPEN, paymentDeadline: LATER });
  });

  test('stays as it is once the order is over', async () => {
    const { orderId } = await openOrder();
    await release(database, releaseTo(orderId, 'cancelled'));
    expect(await putOff(orderId)).toMatchObject({ stage: 'cancelled', refusal: null });
    expect(await readOrder(orderId)).toMatchObject({ stage: 'cancelled', version: 2 });
  });

  test('may be put off once more for a payment under way, whatever id the update had', async () => {
    const { orderId } = await openOrder();
    await putOff(orderId, LATER, NIL_UUID);
    await open(orderId, { method: 'provider' });
    const asked = { orderId, paymentDeadline: EVEN_LATER, at: AT };
    expect(await extendDeadline(database, asked)).toEqual({ ...OPEN, paymentDeadline: EVEN_LATER });
    expect(await readOrder(orderId)).toMatchObject({ extended: true });
  });

  test('keeps a workflow that does not know of it from letting the order expire before, and nobody from cancelling', async () => {
    const { orderId } = await openOrder();
    await putOff(orderId);
    expect(await release(database, releaseTo(orderId, 'expired'))).toEqual({
      ...OPEN,
      refusal: 'put_off',
      paymentDeadline: LATER,
    });
    expect(await readOrder(orderId)).toMatchObject({ stage: 'awaiting_payment', version: 2 });
    const due = { ...releaseTo(orderId, 'expired'), at: LATER };
    expect(await release(database, due)).toMatchObject({ stage: 'expired', refusal: null });
    const { orderId: other } = await openOrder();
    await putOff(other);
    expect(await release(database, releaseTo(other, 'cancelled'))).toMatchObject({ stage: 'cancelled' });
  });
});
