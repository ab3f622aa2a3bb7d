/** What was sent is sent once more when its shop asks: one event or a range, each once for each command, in the order of its order. */
import { v7 as uuidv7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { pay } from '../../../db/steps/pay.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { claimDue, type DueDelivery } from '../../../db/webhooks/claim.ts';
import { recordAttempts, type Attempt } from '../../../db/webhooks/record.ts';
import { redeliver, type Wanted } from '../../../db/webhooks/redeliver.ts';
import { ALL_SHOPS } from '../../../domain/shops.ts';
import { MOST_REDELIVERED } from '../../../domain/webhooks.ts';
import { freshDatabase } from '../../support/database.ts';
import { anOrder, payment } from '../../support/step-requests.ts';
import { fundedWallet, openShop, stockedSku } from '../../support/stock.ts';
import { publishAll, registerWebhook } from '../../support/webhooks.ts';

const { database, sql } = await freshDatabase();
const everywhere = database.reaching({ shop: ALL_SHOPS });

const HOUR = 3_600_000;
const now = () => new Date().toISOString();
const always: Wanted = { from: new Date('2026-01-01'), to: new Date('2100-01-01') };

/** A shop with a webhook, and two orders that were paid: four events. */
async function soldTwice() {
  const shopId = await openShop(sql);
  const sku = await stockedSku(sql, { shopId, onHand: 100 });
  const walletId = await fundedWallet(sql, { shopId, funds: 1_000_000 });
  const { id } = await registerWebhook(everywhere, { shopId });
  const orders = [];
  for (let n = 0; n < 2; n += 1) {
    const order = anOrder({ shopId, walletId, lines: [{ sku, quantity: 1 }] });
    await reserve(database, order);
    await pay(database, payment(order.orderId));
    orders.push(order.orderId);
  }
  await publishAll(database);
  return { shopId, id, orders, caller: database.reaching({ shop: shopId }) };
}

const claim = async (webhookId: string, ms = 0) =>
  (
    await claimDue(database, {
      webhookId,
      at: new Date(Date.now() + ms).toISOString(),
      limit: 1_000,
      lease: 60_000,
    })
  )?.deliveries ?? [];

const record = (webhookId: string, deliveries: readonly DueDelivery[], next: Attempt['next']) =>
  recordAttempts(database, {
    webhookId,
    at: now(),
    retryAt: null,
    attempts: deliveries.map(({ id, number }) => ({
      deliveryId: id,
      number,
      at: now(),
      durationMs: 1,
      status: next === 'delivered' ? 200 : 500,
      failure: next === 'delivered' ? null : 'refused',
      cause: null,
      next,
    })),
  });

/** Delivers all that is due, again and again. Returns what, in this order. */
async function deliverAll(webhookId: string): Promise<DueDelivery[]> {
  const all: DueDelivery[] = [];
  for (let due = await claim(webhookId); due.length > 0; due = await claim(webhookId)) {
    all.push(...due);
    await record(webhookId, due, 'delivered');
  }
  return all;
}

describe('one event', () => {
  test('is sent once more, as the same event, once for each command', async () => {
    const { id, orders, caller } = await soldTwice();
    const [orderId = ''] = orders;
    const sent = await deliverAll(id);
    const event = { orderId, version: 2 };
    const first = { webhookId: id, commandId: uuidv7(), wanted: { event } };
    const done = { outcome: 'redelivered', events: 1 };
    expect(await Promise.all([redeliver(caller, first), redeliver(caller, first)])).toEqual([done, done]);
    const again = await deliverAll(id);
    expect(again).toMatchObject([{ kind: 'redelivery', eventId: `${orderId}-2` }]);
    expect(again[0]?.event).toEqual(sent.find(({ eventId }) => eventId === `${orderId}-2`)?.event);
    // A retry of the command that comes late sends nothing more; another command does.
    expect(await redeliver(caller, first)).toEqual(done);
    expect(await claim(id)).toEqual([]);
    expect(await redeliver(caller, { ...first, commandId: uuidv7() })).toEqual(done);
    expect(await claim(id)).toHaveLength(1);
  });

  test('that waits for its next attempt is tried at once, after those before it', async () => {
    const { id, orders, caller } = await soldTwice();
    const [orderId = ''] = orders;
    const due = await claim(id);
    await record(id, due, { dueAt: new Date(Date.now() + HOUR).toISOString() });
    expect(await claim(id)).toEqual([]);
    const wanted = { event: { orderId, version: 2 } };
    expect(await redeliver(caller, { webhookId: id, commandId: uuidv7(), wanted })).toEqual({
      outcome: 'redelivered',
      events: 1,
    });
    expect((await deliverAll(id)).map(({ kind, eventId }) => [kind, eventId])).toEqual([
      ['event', `${orderId}-1`],
      ['event', `${orderId}-2`],
    ]);
  });

  test('of another shop, or that was never published, is not there', async () => {
    const { id, caller } = await soldTwice();
    const { orders } = await soldTwice();
    const [stranger = ''] = orders;
    for (const [who, event] of [
      [caller, { orderId: stranger, version: 1 }],
      [everywhere, { orderId: stranger, version: 1 }],
      [caller, { orderId: uuidv7(), version: 1 }],
    ] as const)
      expect(await redeliver(who, { webhookId: id, commandId: uuidv7(), wanted: { event } })).toEqual({
        outcome: 'unknown_event',
      });
  });
});

describe('a range', () => {
  test('is sent once more, in the order of each order, and once for each command', async () => {
    const { id, orders, caller } = await soldTwice();
    const sent = await deliverAll(id);
    const request = { webhookId: id, commandId: uuidv7(), wanted: always };
    const done = { outcome: 'redelivered', events: 4 };
    expect(await Promise.all([redeliver(caller, request), redeliver(caller, request)])).toEqual([done, done]);
    const again = await deliverAll(id);
    expect(again.map(({ kind }) => kind)).toEqual(Array.from({ length: 4 }, () => 'redelivery'));
    expect(new Set(again.map(({ eventId }) => eventId))).toEqual(new Set(sent.map(({ eventId }) => eventId)));
    for (const orderId of orders)
      expect(again.filter((one) => one.orderId === orderId).map(({ version }) => version)).toEqual([1, 2]);
    expect(await redeliver(caller, request)).toEqual(done);
    expect(await claim(id)).toEqual([]);
  });

  test('has what was published from its first instant until before its last', async () => {
    const { id, caller } = await soldTwice();
    await deliverAll(id);
    const [first] = await sql<{ at: Date }[]>`
      select min(created_at) as at from webhook_delivery where webhook_id = ${id}
    `;
    const at = first?.at ?? new Date();
    const next = new Date(at.getTime() + 1);
    const count = async (from: Date, to: Date) => {
      const result = await redeliver(caller, { webhookId: id, commandId: uuidv7(), wanted: { from, to } });
      return result.outcome === 'redelivered' ? result.events : result.outcome;
    };
    expect(await count(at, next)).toBe(4);
    expect(await count(new Date(0), at)).toBe(0);
    expect(await count(next, new Date('2100-01-01'))).toBe(0);
  });

  test('with more events than one call may have sends none', async () => {
    const { id, caller, shopId } = await soldTwice();
    await sql`
      insert into webhook_delivery
        (id, webhook_id, shop_id, event_id, type, kind, order_id, version, sequence, state, due_at, created_at, ended_at)
      select
        new_id(), ${id}, ${shopId}, gen_random_uuid() || '-1', 'order.paid', 'event', gen_random_uuid(), 1, 10 + n, 'delivered',
        now(), now(), now()
      from generate_series(1, ${MOST_REDELIVERED - 4}) as many (n)
    `;
    const request = { webhookId: id, commandId: uuidv7(), wanted: always };
    // Four of them wait, and are tried at once instead.
    expect(await redeliver(caller, request)).toEqual({ outcome: 'redelivered', events: MOST_REDELIVERED });
    await sql`
      insert into webhook_delivery
        (id, webhook_id, shop_id, event_id, type, kind, order_id, version, state, due_at, created_at, ended_at)
      values (new_id(), ${id}, ${shopId}, 'one-more', 'order.paid', 'event', gen_random_uuid(), 1, 'delivered', now(), now(), now())
    `;
    const more = { ...request, commandId: uuidv7() };
    expect(await redeliver(caller, more)).toEqual({ outcome: 'too_many' });
    expect(await sql`select from webhook_delivery where command_id = ${more.commandId}`).toHaveLength(0);
  });
});
