/** Idempotency keys are removed once they are old, and no key goes that somebody still needs. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { openPayment } from '../../db/steps/payments/open-payment.ts';
import { removeOldKeys } from '../../db/old-keys.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { plant, plantIdempotencyKey, type PlantedIdempotencyKey } from '../support/planted.ts';
import { anOrder, payment, refundOf, releaseTo } from '../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../support/stock.ts';

const { database, sql } = await freshDatabase();
const { reserve, pay, release, refund } = createActivities(database);

const DAY_MS = 86_400_000;
const removeAll = (keepDays = 30) =>
  removeOldKeys(database, { keepMs: keepDays * DAY_MS, after: null, forMs: 10_000 });

const isKept = async (commandId: string) =>
  (await sql`select from idempotency_key where command_id = ${commandId}`).length > 0;

afterEach(async () => {
  await sql`delete from idempotency_key`;
  await expectRulesHold(sql);
});

/** An order that waits for its payment, with the key of its request, both of this age. */
async function placed(age: string, funds = 5_000) {
  const [sku, walletId] = await Promise.all([stockedSku(sql, { onHand: 10 }), fundedWallet(sql, { funds })]);
  const order = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
  const [row] = await sql<{ id: string }[]>`select uuidv7(- ${age}::text::interval) as id`;
  const orderId = row?.id ?? '';
  await reserve({ ...order, orderId });
  await plantIdempotencyKey(sql, { commandId: orderId, age });
  return { orderId, walletId, sku, order: { ...order, orderId } };
}

/** As if the order had last changed so long ago. */
const age = (orderId: string, ago: string) =>
  plant(sql, (to) => to`update orders set updated_at = now() - ${ago}::text::interval where id = ${orderId}`);

describe('a key', () => {
  test.each<[string, PlantedIdempotencyKey, boolean]>([
    [
      'that is older than the time for which keys are kept',
      { operation: 'createWallet', age: '31 days' },
      false,
    ],
    ['from before 0.6 that is older', { caller: '', operation: 'createWallet', age: '31 days' }, false],
    ['of a rejected order that is older', { status: 409, age: '31 days' }, false],
    ['that is younger', { operation: 'createWallet', age: '29 days' }, true],
    ['without an answer, however old,', { operation: 'createWallet', status: null, age: '900 days' }, true],
    ['of an order without an answer, however old,', { status: null, age: '900 days' }, true],
  ])('%s: kept or not', async (_, key, kept) => {
    const id = await plantIdempotencyKey(sql, key);
    expect(await removeAll()).toEqual({ removed: kept ? 0 : 1, next: null });
    expect(await isKept(id)).toBe(kept);
  });

  test('that was answered late is as old as its answer', async () => {
    const id = await plantIdempotencyKey(sql, { operation: 'createWallet', age: '31 days' });
    await sql`update idempotency_key set claimed_until = now() - interval '2 days' where command_id = ${id}`;
    expect(await removeAll()).toMatchObject({ removed: 0 });
    expect(await isKept(id)).toBe(true);
  });

  test('of an order that is open is kept, and goes once the order has been over for as long', async () => {
    const { orderId, order } = await placed('40 days');
    await age(orderId, '40 days');
    expect(await removeAll()).toMatchObject({ removed: 0 });
    await release(releaseTo(order.orderId, 'expired'));
    await age(orderId, '29 days');
    expect(await removeAll()).toMatchObject({ removed: 0 });
    expect(await isKept(orderId)).toBe(true);
    await age(orderId, '31 days');
    expect(await removeAll()).toMatchObject({ removed: 1 });
    expect(await isKept(orderId)).toBe(false);
  });

  test('of a refunded order counts from its refund', async () => {
    const { orderId } = await placed('40 days');
    await pay(payment(orderId));
    await refund(refundOf(orderId, true));
    await age(orderId, '29 days');
    expect(await removeAll()).toMatchObject({ removed: 0 });
    await age(orderId, '31 days');
    expect(await removeAll()).toMatchObject({ removed: 1 });
  });

  test('of a payment that was refused is kept while its order is open', async () => {
    const { orderId } = await placed('40 days', 1);
    const refused = { ...payment(orderId), commandId: uuidv7({ msecs: Date.now() - 39 * DAY_MS }) };
    expect(await pay(refused)).toMatchObject({ refusal: 'insufficient_funds' });
    await plantIdempotencyKey(sql, {
      operation: 'payOrder',
      status: 422,
      age: '39 days',
      commandId: refused.commandId,
    });
    expect(await removeAll()).toMatchObject({ removed: 0 });
    await release(releaseTo(orderId, 'expired'));
    await age(orderId, '31 days');
    expect(await removeAll()).toMatchObject({ removed: 2 });
  });

  test('of a payment of a part is kept while its order is open', async () => {
    const { orderId } = await placed('40 days');
    const part = {
      orderId,
      commandId: uuidv7({ msecs: Date.now() - 39 * DAY_MS }),
      method: 'wallet',
    } as const;
    expect(await openPayment(database, { ...part, amount: 1, at: new Date().toISOString() })).toMatchObject({
      refusal: null,
    });
    await plantIdempotencyKey(sql, {
      operation: 'addPayment',
      status: 201,
      age: '39 days',
      commandId: part.commandId,
    });
    expect(await removeAll()).toMatchObject({ removed: 0 });
    await release(releaseTo(orderId, 'expired'));
    await age(orderId, '31 days');
    expect(await removeAll()).toMatchObject({ removed: 2 });
  });

  test('of an order that is open, and whose payment at once was refused, is kept for as long', async () => {
    const { orderId } = await placed('40 days', 1);
    await sql`update idempotency_key set response_status = 422 where command_id = ${orderId}`;
    expect(await removeAll()).toMatchObject({ removed: 0 });
    await release(releaseTo(orderId, 'expired'));
    expect(await removeAll()).toMatchObject({ removed: 1 });
  });

  test('of an order that is lost is kept, so that the loss goes on being found', async () => {
    const lost = await plantIdempotencyKey(sql, { age: '900 days' });
    expect(await removeAll()).toMatchObject({ removed: 0 });
    expect(await isKept(lost)).toBe(true);
  });
});

test('2,500 old keys among as many young ones and 1,500 unanswered ones are removed in batches, from any batch on', async () => {
  const many = (count: number, status: number | null, ago: string) => sql`
    insert into idempotency_key (
      caller, operation, key, fingerprint, command_id, claimed_until, response_status, response_body, recorded_at
    )
    select
      'key:many', case when number % 2 = 0 then 'createOrder' else 'payOrder' end, gen_random_uuid()::text, '',
      uuidv7(- ${ago}::text::interval), now() - ${ago}::text::interval, ${status}, '{}', now() - ${ago}::text::interval
    from generate_series(1, ${count}) as number
  `;
  await many(1_500, null, '50 days');
  await many(2_500, 409, '40 days');
  await many(2_500, 409, '20 days');
  let removed = 0;
  let batches = 0;
  for (let after: string | null = null; ;) {
    const some = await removeOldKeys(database, { keepMs: 30 * DAY_MS, after, forMs: 0 });
    removed += some.removed;
    batches += 1;
    after = some.next;
    if (after === null) break;
  }
  expect({ removed, batches }).toEqual({ removed: 2_500, batches: 5 });
  const [left] = await sql<{ count: number }[]>`select count(*)::integer as count from idempotency_key`;
  expect(left?.count).toBe(4_000);
});

test('runs at the same time remove each key once', async () => {
  for (let count = 0; count < 50; count += 1)
    await plantIdempotencyKey(sql, { operation: 'payOrder', key: randomUUID(), status: 200, age: '31 days' });
  const ends = await Promise.all([removeAll(), removeAll(), removeAll()]);
  expect(ends.reduce((sum, { removed }) => sum + removed, 0)).toBe(50);
});
