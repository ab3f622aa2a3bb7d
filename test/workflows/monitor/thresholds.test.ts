/** Each measure opens one alert when it crosses its threshold, until the cause is gone. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { clearAttention, raiseAttention } from '../../../db/attention.ts';
import { MEASURES, type Measure, type RunName } from '../../../domain/measures.ts';
import { ALL_SHOPS } from '../../../domain/shops.ts';
import { MINUTE, monitoring } from '../../support/monitoring.ts';
import { plant, plantOrders, plantPart, plantPayments } from '../../support/planted.ts';
import { reconciling } from '../../support/reconciling.ts';
import { startSystem } from '../../support/system.ts';
import { publishAll, registerWebhook } from '../../support/webhooks.ts';

const system = await startSystem();
const { shop, sql, database } = system;
const { settings, activities, runMonitor, listAlerts, readLatest } = monitoring(system);
const { reconcile } = reconciling(system);

/** An order of 2 units at 500. */
async function placed() {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

interface Crossed {
  /** Null when it is not up to the test. */
  value: number | null;
  subjects?: readonly string[];
  heal: () => Promise<unknown>;
  /** As the worker's, unless it must differ. */
  thresholds?: { crossed: number; healed: number };
}

/** How each measure gets to the wrong side of its threshold, and back to the threshold itself or the other side. */
const CROSSED: Readonly<Record<Measure, () => Promise<Crossed>>> = {
  orders_past_deadline: async () => {
    const { id } = await placed();
    await plant(
      sql,
      (to) => to`update orders set payment_deadline = now() - interval '2 minutes' where id = ${id}`,
    );
    return { value: 1, subjects: [id], heal: () => shop.cancel(id) };
  },

  orders_pending_long: async () => {
    const ids = await plantOrders(sql, 11, { age: 31 * MINUTE });
    // These are not yet.
    await plantOrders(sql, 5, { age: 29 * MINUTE });
    const [first = ''] = ids;
    const expire = () => plant(sql, (to) => to`update orders set stage = 'expired' where id = ${first}`);
    return { value: 11, subjects: ids.toSorted(), heal: expire };
  },

  busy_buyers: async () => {
    await plantPayments(sql, 50, { buyerId: 'often' });
    await plantPayments(sql, 50, { buyerId: 'not that often' });
    await plantPayments(sql, 1, { buyerId: 'often', currency: 'USD' });
    await plantPayments(sql, 9, { buyerId: 'refused', total: 1_000_000, reason: 'insufficient_funds' });
    const heal = () =>
      plant(
        sql,
        (to) => to`
          update order_step set recorded_at = recorded_at - interval '1 hour'
          from orders where orders.id = order_id and buyer_id = 'often' and currency = 'USD'
        `,
      );
    return { value: 1, subjects: ['main/often'], heal };
  },

  stock_anomalies: async () => {
    const { sku } = await placed();
    await plant(sql, (to) => to`update sku set on_hand = 12 where sku = ${sku}`);
    await reconcile(false);
    return { value: 1, subjects: [`main/${sku}`], heal: () => reconcile(true) };
  },

  payment_failure_rate: async () => {
    await plantPayments(sql, 98);
    await plantPayments(sql, 2, { reason: 'insufficient_funds' });
    // Arrived too late, and was never tried.
    await plantPayments(sql, 5, { reason: 'order_expired' });
    // One in a hundred is on the threshold.
    return { value: 0.02, heal: () => plantPayments(sql, 100) };
  },

  order_latency_p99: async () => {
    const { id } = await placed();
    const { sku } = await placed();
    const taken = (seconds: number) =>
      plant(
        sql,
        (to) => to`
          update idempotency_key set recorded_at = step.recorded_at - ${seconds}::double precision * interval '1 second'
          from order_step as step where step.order_id = idempotency_key.command_id and step.step = 'reserve'
        `,
      );
    await taken(1);
    await plant(
      sql,
      (to) => to`
        update idempotency_key set recorded_at = recorded_at - interval '2 seconds' where command_id = ${id}
      `,
    );
    expect(await shop.stockOf(sku)).toMatchObject({ reserved: 2 });
    return { value: 1 + 2 * 0.99, heal: () => taken(2) };
  },

  // Test files share the server, so how many there are is not up to this one.
  database_connections: () =>
    Promise.resolve({
      value: null,
      heal: () => Promise.resolve(),
      thresholds: { crossed: 0, healed: 1 },
    }),

  abnormal_orders: async () => {
    const { id } = await placed();
    await placed();
    const [row] = await sql<{ count: number }[]>`
      select count(*) from orders where created_at > now() - interval '1 hour'
    `;
    const workflowId = `order-${id}`;
    const raisedAt = new Date().toISOString();
    await raiseAttention(database, {
      workflowId,
      orderId: id,
      step: 'pay',
      reason: 'payment_failing',
      raisedAt,
    });
    return {
      value: 1 / (row?.count ?? 0),
      subjects: [id],
      heal: () => clearAttention(database, { workflowId, orderId: id, at: new Date().toISOString() }),
    };
  },

  order_success: async () => {
    const asked = (response: number | null, ago: string, count: number) =>
      plant(
        sql,
        (to) => to`
          insert into idempotency_key (
            operation, key, fingerprint, command_id, claimed_until, response_status, response_body, recorded_at
          )
          select 'createOrder', gen_random_uuid(), '', uuidv7(- ${ago}::text::interval), now(), ${response}, '{}', now() - ${ago}::text::interval
          from generate_series(1, ${count})
        `,
      );
    await asked(201, '2 minutes', 197);
    await asked(409, '2 minutes', 1);
    await asked(null, '2 minutes', 2);
    // Neither what may yet be answered counts, nor what is over.
    await asked(null, '30 seconds', 5);
    await asked(null, '61 minutes', 5);
    // One in two hundred is on the threshold.
    return { value: 0.99, heal: () => asked(201, '2 minutes', 200) };
  },

  runs_overdue: async () => {
    const ended = (run: RunName, ago: string) => sql`
      insert into run_end (run, watched_since, ended_at) values (${run}, now(), now() - ${ago}::text::interval)
      on conflict (run) do update set ended_at = excluded.ended_at
    `;
    await ended('reconcile', '15 minutes 1 second');
    await ended('stats', '2 minutes 50 seconds');
    await ended('monitor', '2 minutes 50 seconds');
    return { value: 1, subjects: ['reconcile'], heal: () => reconcile() };
  },

  webhooks_failing: async () => {
    const { id } = await registerWebhook(database.reaching({ shop: ALL_SHOPS }));
    const since = (ago: string) =>
      sql`update webhook set failures = 1, failing_since = now() - ${ago}::text::interval where id = ${id}`;
    await since('61 minutes');
    return { value: 1, subjects: [`main/${id}`], heal: () => since('59 minutes') };
  },

  events_unpublished: async () => {
    // No worker of this file publishes.
    await publishAll(database);
    const [{ id }, later] = [await placed(), await placed()];
    await shop.pay(id);
    await sql`update outbox set recorded_at = now() - interval '61 seconds' where order_id = ${id}`;
    // What it is exactly grows meanwhile.
    return { value: null, subjects: [id, later.id], heal: () => publishAll(database) };
  },

  payments_unsettled: async () => {
    const [order = ''] = await plantOrders(sql, 1);
    const [early, late] = [61 * MINUTE, 59 * MINUTE];
    const unsettled = [
      await plantPart(sql, order, { age: early }),
      await plantPart(sql, order, { state: 'capturing', age: early }),
      await plantPart(sql, order, { state: 'authorised', secures: false, age: early }),
      await plantPart(sql, order, { state: 'captured', secures: false, age: early }),
    ];
    const kept = await plantPart(sql, order, { state: 'captured', age: early });
    // Neither what waits for its order counts, nor what is over or has just begun.
    await plantPart(sql, order, { state: 'authorised', age: early });
    await plantPart(sql, order, { state: 'declined', secures: false, age: early });
    await plantPart(sql, order, { age: late });
    const [owed, soon] = [randomUUID(), randomUUID()];
    await plant(sql, async (to) => {
      await to`
        insert into refund (order_id, command_id, version, shop_id, amount, currency, reason, at, transfer_id)
        values
          (${order}, ${owed}, 3, 'main', 1, 'EUR', 'test', ${ago(early)}, gen_random_uuid()),
          (${order}, ${soon}, 4, 'main', 1, 'EUR', 'test', ${ago(late)}, gen_random_uuid())
      `;
      await to`
        insert into refund_payment (order_id, command_id, payment_id, amount, state)
        values (${order}, ${owed}, ${kept}, 1, 'owed'), (${order}, ${soon}, ${randomUUID()}, 1, 'owed')
      `;
    });
    const subjects = [...unsettled, kept].toSorted();
    const settle = () =>
      plant(sql, async (to) => {
        await to`update payment set state = 'returned', secures = false where id in ${to(unsettled)}`;
        await to`update refund_payment set state = 'sent', transfer_id = gen_random_uuid()`;
      });
    return { value: 5, subjects, heal: settle };
  },
};

const ago = (milliseconds: number): Date => new Date(Date.now() - milliseconds);

test.each(MEASURES)(
  'an alert about %s opens when its threshold is crossed, and closes by itself once the cause is gone',
  async (name) => {
    const { value, subjects = [], heal, thresholds } = await CROSSED[name]();
    const run = async (threshold: number | undefined) => {
      if (threshold === undefined) return runMonitor();
      const changed = { thresholds: { ...settings.thresholds, [name]: threshold } };
      return activities(changed).measure({ at: new Date().toISOString() });
    };
    expect(await run(thresholds?.crossed)).toMatchObject({
      measured: MEASURES.length,
      crossed: expect.arrayContaining([name]),
    });
    const about = value === null ? expect.any(Number) : expect.closeTo(value, 4);
    expect(await readLatest(name)).toMatchObject({ value: about, subjects });
    const [open] = await listAlerts(name);
    expect(open).toMatchObject({ state: 'open', value: about, worst: about, subjects });

    await heal();
    await run(thresholds?.healed);
    const [closed] = await listAlerts(name);
    expect(closed).toMatchObject({
      id: open?.id,
      state: 'closed',
      worst: about,
      notices: [{ event: 'opened' }, { event: 'closed' }],
    });
    if (value !== null) expect(closed?.value).not.toBeCloseTo(value, 4);
  },
);
