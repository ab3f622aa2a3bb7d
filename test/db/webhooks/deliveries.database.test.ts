/** What is published is sent to the webhooks that want it, each event once, and of each order in order. */
import { v7 as uuidv7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { release } from '../../../db/steps/release.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { changeWebhook } from '../../../db/webhooks/change.ts';
import { claimDue, listWebhooksDue, nextDue } from '../../../db/webhooks/claim.ts';
import { listDeliveries } from '../../../db/webhooks/deliveries.ts';
import { disableWebhook, recordAttempts, type Attempt } from '../../../db/webhooks/record.ts';
import { sendTest } from '../../../db/webhooks/redeliver.ts';
import { removeWebhook } from '../../../db/webhooks/webhooks.ts';
import { ALL_SHOPS } from '../../../domain/shops.ts';
import { freshDatabase } from '../../support/database.ts';
import { anOrder, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { fundedWallet, openShop, stockedSku } from '../../support/stock.ts';
import { publishAll, registerWebhook } from '../../support/webhooks.ts';

const { database, sql } = await freshDatabase();
const api = database.reaching({ shop: ALL_SHOPS });

const HOUR = 3_600_000;
const LEASE = 60_000;
const later = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** A shop of its own, so that no other test's webhook hears of it. */
async function aShop() {
  const shopId = await openShop(sql);
  const [sku, walletId] = [
    await stockedSku(sql, { shopId, onHand: 1_000 }),
    await fundedWallet(sql, { shopId, funds: 1_000_000 }),
  ];
  const place = async () => {
    const order = anOrder({ shopId, walletId, lines: [{ sku, quantity: 1 }] });
    await reserve(database, order);
    return order.orderId;
  };
  const bring = async (orderId: string) => {
    await pay(database, payment(orderId));
    await refund(database, refundOf(orderId, true));
  };
  return { shopId, place, bring };
}

const claim = (webhookId: string, ms = 0, limit = 100) =>
  claimDue(database, { webhookId, at: later(ms), limit, lease: LEASE });
const claimed = async (webhookId: string, ms = 0, limit = 100) =>
  (await claim(webhookId, ms, limit))?.deliveries ?? [];
const versions = (deliveries: readonly { version: number | null }[]) =>
  deliveries.map(({ version }) => version);

const attempt = (
  { id, number }: { id: string; number: number },
  next: Attempt['next'] = 'delivered',
): Attempt => ({
  deliveryId: id,
  number,
  at: later(0),
  durationMs: 12,
  status: next === 'delivered' ? 204 : 500,
  failure: next === 'delivered' ? null : 'refused',
  cause: null,
  next,
});
const record = (webhookId: string, attempts: Attempt[], retryAt: string | null = null, ms = 0) =>
  recordAttempts(database, { webhookId, at: later(ms), attempts, retryAt });

describe('publishing', () => {
  test('makes a delivery for each webhook of the shop that wants the event, and for no other', async () => {
    const { shopId, place, bring } = await aShop();
    const all = await registerWebhook(api, { shopId });
    const some = await registerWebhook(api, { shopId, types: ['order.paid', 'order.expired'] });
    const elsewhere = await registerWebhook(api, { shopId: await openShop(sql) });
    const switchedOff = await registerWebhook(api, { shopId });
    await changeWebhook(api, { id: switchedOff.id, ifVersion: undefined, change: { enabled: false } });
    const orderId = await place();
    await bring(orderId);
    await publishAll(database);
    const late = await registerWebhook(api, { shopId });

    const sent = async (webhookId: string) =>
      (await listDeliveries(database, { webhookId }, { before: undefined, limit: 100 })).map(
        ({ eventId, type, state }) => [eventId, type, state],
      );
    expect(await sent(all.id)).toEqual([
      [`${orderId}-3`, 'order.refunded', 'pending'],
      [`${orderId}-2`, 'order.paid', 'pending'],
      [`${orderId}-1`, 'order.awaiting_payment', 'pending'],
    ]);
    expect(await sent(some.id)).toEqual([[`${orderId}-2`, 'order.paid', 'pending']]);
    for (const { id } of [elsewhere, switchedOff, late]) expect(await sent(id)).toEqual([]);
  });

  test('goes on collecting for a webhook that failed for too long, and sends all of it once it is switched on', async () => {
    const { shopId, place } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    await disableWebhook(database, { webhookId: id, reason: 'failing' });
    await place();
    await place();
    await publishAll(database);
    expect(await claimed(id)).toEqual([]);
    expect(await nextDue(database, id)).toBeNull();
    expect(await listWebhooksDue(database, { at: later(0), limit: 100 })).not.toContain(id);
    await changeWebhook(api, { id, ifVersion: undefined, change: { enabled: true } });
    expect(await listWebhooksDue(database, { at: later(0), limit: 100 })).toContain(id);
    expect(await claimed(id)).toHaveLength(2);
  });

  test('holds up nobody with an event that is to be sent already', async () => {
    const { shopId, place } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    const [again, other] = [await place(), await place()];
    // As if what was published of it had been lost and is published again.
    await sql`
      insert into webhook_delivery (id, webhook_id, shop_id, event_id, type, kind, order_id, version, due_at, created_at)
      values (${uuidv7()}, ${id}, ${shopId}, ${`${again}-1`}, 'order.awaiting_payment', 'event', ${again}, 1, now(), now())
    `;
    await publishAll(database);
    const due = await claimed(id);
    expect(due).toHaveLength(2);
    expect(new Set(due.map(({ orderId }) => orderId))).toEqual(new Set([again, other]));
  });

  test('says the event as the feed says it', async () => {
    const { shopId, place } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    const orderId = await place();
    await publishAll(database);
    expect((await claimed(id))[0]?.event).toMatchObject({
      id: `${orderId}-1`,
      type: 'order.awaiting_payment',
      sequence: 1,
      shopId,
      data: { orderId, version: 1 },
    });
  });
});

describe('of one order', () => {
  test('nothing is sent before what happened earlier was delivered or given up', async () => {
    const { shopId, place, bring } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    await bring(await place());
    const other = await place();
    await publishAll(database);

    const [first, second] = await claimed(id);
    expect([first?.version, second?.version, second?.orderId]).toEqual([1, 1, other]);
    if (!first || !second) throw new Error('Two events are due.');
    await record(id, [attempt(first, { dueAt: later(HOUR) }), attempt(second)]);
    expect(await claimed(id)).toEqual([]);
    expect((await nextDue(database, id))?.getTime()).toBeGreaterThan(Date.now() + HOUR - 60_000);

    const [again] = await claimed(id, HOUR + 1_000);
    expect([again?.version, again?.number]).toEqual([1, 2]);
    if (!again) throw new Error('It is due again.');
    await record(id, [attempt(again, 'given_up')]);
    const next = await claimed(id);
    expect(versions(next)).toEqual([2]);
    await record(
      id,
      next.map((one) => attempt(one)),
    );
    expect(versions(await claimed(id))).toEqual([3]);
  });

  test('that holds for claims at the same time, and no event is claimed twice', async () => {
    const { shopId, place, bring } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    for (let order = 0; order < 10; order += 1) await bring(await place());
    await publishAll(database);

    const seen: string[] = [];
    for (let round = 1; round <= 3; round += 1) {
      const claims = (await Promise.all(Array.from({ length: 8 }, () => claimed(id, 0, 3)))).flat();
      expect(new Set(versions(claims))).toEqual(new Set([round]));
      expect(new Set(claims.map(({ orderId }) => orderId)).size).toBe(claims.length);
      const rest = await claimed(id);
      seen.push(...[...claims, ...rest].map(({ eventId }) => eventId));
      await Promise.all([...claims, ...rest].map((one) => record(id, [attempt(one)])));
    }
    expect(seen).toHaveLength(30);
    expect(new Set(seen).size).toBe(30);
  });

  test('the attempt of a process that was killed is made again after its lease, and a late success still counts', async () => {
    const { shopId, place } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    await place();
    await publishAll(database);
    const [lost] = await claimed(id);
    expect(await claimed(id, LEASE / 2)).toEqual([]);
    const [again] = await claimed(id, LEASE + 1_000);
    if (!lost || !again) throw new Error('It is due twice.');
    expect([lost.number, again.number]).toEqual([1, 2]);
    // The earlier attempt failed after all: the later one decides what comes next.
    await record(id, [attempt(lost, { dueAt: later(10 * HOUR) })]);
    expect((await nextDue(database, id))?.getTime()).toBeLessThan(Date.now() + 3 * LEASE);
    await record(id, [attempt(lost)]);
    await record(id, [attempt(again)]);
    expect(await nextDue(database, id)).toBeNull();
    const recorded =
      await sql`select number, status from webhook_attempt where delivery_id = ${lost.id} order by number`;
    expect([...recorded]).toEqual([
      { number: 1, status: 500 },
      { number: 2, status: 204 },
    ]);
  });
});

describe('a receiver that is down as a whole', () => {
  test('gets one event at a time until it answers, and then all that waits', async () => {
    const { shopId, place } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    for (let order = 0; order < 5; order += 1) await place();
    await publishAll(database);
    const some = await claimed(id, 0, 3);
    const health = await record(
      id,
      some.map((one) => attempt(one, { dueAt: later(HOUR) })),
      later(60_000),
    );
    expect(health).toMatchObject({ failures: 3, failingSince: expect.any(Date) });
    expect(await claimed(id)).toEqual([]);
    expect(await listWebhooksDue(database, { at: later(0), limit: 100 })).not.toContain(id);
    expect((await nextDue(database, id))?.getTime()).toBeGreaterThan(Date.now() + 50_000);
    const probe = await claimed(id, 61_000);
    expect(probe).toHaveLength(1);
    expect(
      await record(
        id,
        probe.map((one) => attempt(one)),
      ),
    ).toEqual({ failures: 0, failingSince: null });
    expect(await claimed(id, 61_000)).toHaveLength(4);
  });

  test('gets a test while it rests, and no event', async () => {
    const { shopId, place } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    await place();
    await place();
    await publishAll(database);
    const some = await claimed(id, 0, 1);
    await record(
      id,
      some.map((one) => attempt(one, { dueAt: later(HOUR) })),
      later(60_000),
    );
    await sendTest(api, { webhookId: id, id: uuidv7() });
    expect((await claimed(id)).map(({ kind }) => kind)).toEqual(['test']);
  });

  test('is judged by events alone: a redelivery or a test neither heals nor harms', async () => {
    const { shopId, place } = await aShop();
    const { id } = await registerWebhook(api, { shopId });
    await place();
    await publishAll(database);
    const failed = await claimed(id);
    await record(
      id,
      failed.map((one) => attempt(one, { dueAt: later(HOUR) })),
    );
    await sendTest(api, { webhookId: id, id: uuidv7() });
    const tests = await claimed(id);
    expect(tests.map(({ kind, event }) => [kind, event?.type])).toEqual([['test', 'webhook.test']]);
    expect(
      await record(
        id,
        tests.map((one) => attempt(one)),
      ),
    ).toMatchObject({ failures: 1 });
  });
});

test('what was to be sent to a webhook that is gone is not sent', async () => {
  const { shopId, place } = await aShop();
  const { id } = await registerWebhook(api, { shopId });
  const orderId = await place();
  await publishAll(database);
  expect(await removeWebhook(api, { id, ifVersion: undefined })).toBe('removed');
  await release(database, releaseTo(orderId, 'cancelled'));
  await publishAll(database);
  expect(await claim(id)).toBeUndefined();
  expect(await listWebhooksDue(database, { at: later(HOUR), limit: 100 })).not.toContain(id);
  expect(await sql`select from webhook_secret where webhook_id = ${id}`).toHaveLength(0);
});
