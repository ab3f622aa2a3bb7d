/** What somebody breaks from outside is found, kept and repaired, and nothing that is in flight is taken for broken. */
import { randomUUID } from 'node:crypto';
import { Client, ScheduleNotFoundError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createActivities } from '../activities/index.ts';
import { createReconciliationActivities, type LookResult } from '../activities/reconciliation.ts';
import type { Queryable } from '../db/connection.ts';
import { orderWorkflowsOf } from '../worker/order-workflows.ts';
import { ensureSchedule, ensureSchedules, monitorSchedule, reconcileSchedule } from '../worker/schedules.ts';
import {
  WORKFLOW,
  orderQuery,
  orderWorkflowId,
  refundWorkflowId,
  type OrderEnd,
  type OrderInput,
  type ReconcileEnd,
  type ReconcileInput,
} from '../workflows/contract.ts';
import { expectRulesHold, freshDatabase } from './support/database.ts';
import { idOf, type Answer } from './support/shop.ts';
import { untilEvents } from './support/history.ts';
import { anOrder } from './support/step-requests.ts';
import { stockedSku } from './support/stock.ts';
import { startSystem } from './support/system.ts';
import { lockSku, lockWallet } from './support/trouble.ts';
import { unansweredOrder } from './support/unanswered.ts';
import { until } from './support/until.ts';

const WINDOW = 900_000;
const { shop, client, clock, sql, database, taskQueue, startWorker, stopWorker } = await startSystem({
  paymentWindow: WINDOW,
});

const workflowOf = (orderId: string) => client.workflow.getHandle(orderWorkflowId(orderId));
const reconcile = (repairCounters = false): Promise<ReconcileEnd> =>
  client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileEnd>>(WORKFLOW.reconcile, {
    workflowId: `reconcile-${randomUUID()}`,
    taskQueue,
    args: [{ repairCounters }],
  });

const findingSchema = z.looseObject({
  subject: z.string(),
  kind: z.string(),
  state: z.string(),
  lastSeen: z.string(),
});

const findingsAbout = async (subject: string) => {
  const { items } = (await shop.get('/v1/findings?limit=100')).body;
  return z
    .array(findingSchema)
    .parse(items)
    .filter((finding) => finding.subject.includes(subject));
};

/** An order of 2 units at 500 out of 10, by a wallet with so much. */
async function placed({ funds = 5_000, paymentMode = 'debit' } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2, { paymentMode });
  return { sku, wallet, id };
}

/** Past every constraint and trigger, as a restored backup or a careless hand would. */
const damage = (work: (sql: Queryable) => Promise<unknown>) =>
  sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await work(transaction);
  });

/** Moves an order to a stage by hand, with the event that belongs to it, and nothing else of what a step does. */
const moveByHand = (id: string, stage: string) =>
  damage(async (transaction) => {
    await transaction`
      insert into order_event (order_id, version, from_stage, stage, reason, at)
      select id, version + 1, stage, ${stage}, 'by hand', now() from orders where id = ${id}
    `;
    await transaction`update orders set stage = ${stage}, version = version + 1 where id = ${id}`;
    return client.workflow.getHandle(orderWorkflowId(id)).terminate('by hand');
  });

describe('an open order whose workflow was terminated', () => {
  test('goes on with the deadline that was told, and can be paid', async () => {
    const { id, wallet } = await placed();
    const { deadline } = await workflowOf(id).query(orderQuery);
    await workflowOf(id).terminate('by mistake');
    expect(await reconcile()).toMatchObject({ found: 1, repaired: 1 });
    expect((await workflowOf(id).query(orderQuery)).deadline).toBe(deadline);
    expect(await findingsAbout(id)).toMatchObject([
      { kind: 'workflow_missing', state: 'repaired', repair: { before: { workflow: 'none' } } },
    ]);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    await expectRulesHold(sql);
  });

  test('expires at that deadline when nobody pays', async () => {
    const { id, sku } = await placed({ paymentMode: 'hold' });
    await clock.forward(orderWorkflowId(id), 60_000);
    await workflowOf(id).terminate('by mistake');
    await reconcile();
    await clock.forward(orderWorkflowId(id), WINDOW - 30_000);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await clock.forward(orderWorkflowId(id), 30_000);
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    await expectRulesHold(sql);
  });

  test('after a payment was refused can be paid: the next payment does not get the answer of the first', async () => {
    const { id, wallet } = await placed({ funds: 10 });
    expect(await shop.pay(id)).toMatchObject({ status: 422 });
    await workflowOf(id).terminate('by mistake');
    await reconcile();
    await shop.topUp(wallet, 5_000);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('expires at once when the deadline has passed meanwhile', async () => {
    const { id } = await placed();
    await workflowOf(id).terminate('by mistake');
    await damage((to) => to`update orders set payment_deadline = now() - interval '1 hour' where id = ${id}`);
    await reconcile();
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    expect(new Set((await findingsAbout(id)).map(({ kind }) => kind))).toEqual(
      new Set(['workflow_missing', 'order_overdue']),
    );
  });
});

test('a refund whose workflow was terminated is carried out when it is asked for again', async () => {
  const { id, wallet } = await placed();
  await shop.pay(id);
  const mend = await lockWallet(sql, wallet);
  const key = randomUUID();
  const refunding = shop.refund(id, true, { key });
  const refund = client.workflow.getHandle(refundWorkflowId(id));
  await untilEvents(client, refundWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
  await refund.terminate('by mistake');
  await mend();
  await refunding;
  expect(await shop.refund(id, true, { key })).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
});

test('a refund that was lost with the database that recorded it is carried out when it is asked for again', async () => {
  const { id, wallet } = await placed();
  await shop.pay(id);
  const key = randomUUID();
  expect(await shop.refund(id, false, { key })).toMatchObject({ status: 200 });
  // As if a backup from before it had been restored.
  await damage(async (to) => {
    for (const table of ['order_event', 'stat_pending'])
      await to`delete from ${sql(table)} where order_id = ${id} and version = 3`;
    await to`delete from order_step where order_id = ${id} and step = 'refund'`;
    await to`delete from entry using transfer where transfer_id = transfer.id and order_id = ${id} and kind = 'refund'`;
    await to`delete from transfer where order_id = ${id} and kind = 'refund'`;
    await to`update orders set stage = 'paid', version = 2, reason = null where id = ${id}`;
    await to`update wallet set posted = posted - 1000 where id = ${wallet}`;
    await to`delete from idempotency_key where key = ${key}`;
  });
  await expectRulesHold(sql);
  expect(await shop.refund(id, false, { key })).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  expect(await shop.refund(id, false)).toMatchObject({ status: 409 });
});

/** Another deadline than that of a workflow which starts now. */
const TOLD = { paymentDeadline: new Date(Date.now() + 100_000).toISOString() };

describe('an order whose workflow was terminated before it was answered is placed when it is asked for again', () => {
  async function asked() {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const key = randomUUID();
    return { sku, wallet, ask: () => shop.order(wallet, [{ sku, quantity: 2 }], {}, { key }) };
  }
  async function expectPlaced(id: string, sku: string, ask: () => Promise<Answer>) {
    expect(await ask()).toMatchObject({ status: 201, body: { id } });
    expect(await ask()).toMatchObject({ status: 201, body: { id } });
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 8, reserved: 0, available: 8 });
    await expectRulesHold(sql);
  }

  test('that is, before a worker began with it', async () => {
    const { sku, ask } = await asked();
    await stopWorker();
    const asking = ask();
    const id = await unansweredOrder({ sql, client });
    await workflowOf(id).terminate('by mistake');
    await startWorker();
    await asking;
    await expectPlaced(id, sku, ask);
  });

  test('that is, while its reservation is still on its way', async () => {
    const { sku, ask } = await asked();
    const mend = await lockSku(sql, sku);
    const asking = ask();
    const id = await unansweredOrder({ sql, client });
    await workflowOf(id).terminate('by mistake');
    await mend();
    await asking;
    await expectPlaced(id, sku, ask);
  });

  test('that is, after its reservation, with the deadline that is recorded', async () => {
    const { sku, wallet, ask } = await asked();
    await stopWorker();
    const asking = ask();
    const id = await unansweredOrder({ sql, client });
    await workflowOf(id).terminate('by mistake');
    const late = anOrder({ orderId: id, walletId: wallet, lines: [{ sku, quantity: 2 }], ...TOLD });
    await createActivities(database).reserve(late);
    await startWorker();
    await asking;
    await ask();
    expect((await workflowOf(id).query(orderQuery)).deadline).toBe(TOLD.paymentDeadline);
    await expectPlaced(id, sku, ask);
  });
});

test('a workflow that finds its order reserved goes on with the deadline that is recorded', async () => {
  const [sku, walletId] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const order = anOrder({ walletId, lines: [{ sku, quantity: 2 }], ...TOLD });
  await createActivities(database).reserve(order);
  const { orderId, buyerId, lines, paymentMode } = order;
  const input = { orderId, buyerId, walletId, lines: [...lines], paymentMode, paymentWindow: WINDOW };
  await client.workflow.start<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
    workflowId: orderWorkflowId(orderId),
    taskQueue,
    args: [input],
  });
  await until('the order to wait', async () =>
    (await workflowOf(orderId).query(orderQuery)).stage === 'awaiting_payment' ? true : undefined,
  );
  expect((await workflowOf(orderId).query(orderQuery)).deadline).toBe(TOLD.paymentDeadline);
  await clock.forward(orderWorkflowId(orderId), 120_000);
  expect(await workflowOf(orderId).result()).toMatchObject({ stage: 'expired' });
});

describe('a workflow that has long run for an order which is not recorded', () => {
  const workflows = orderWorkflowsOf(client, taskQueue);
  const { lookInto } = createReconciliationActivities(database, workflows);
  /** As a run would that begins so many milliseconds later. */
  const look = (later: number) =>
    lookInto({
      kind: 'order_missing',
      after: null,
      startedAt: new Date(Date.now() + later).toISOString(),
      repairCounters: false,
    });
  const LONG = 120_000;
  const untilListed = (id: string) =>
    until('the listing to know of the workflow', async () =>
      (await workflows.listRunning(null)).orders.some(({ orderId }) => orderId === id) ? true : undefined,
    );

  test('is raised', async () => {
    const { id } = await placed();
    await damage(async (to) => {
      for (const table of ['reservation', 'order_line', 'order_event', 'order_step'])
        await to`delete from ${sql(table)} where order_id = ${id}`;
      await to`delete from orders where id = ${id}`;
      await to`delete from idempotency_key where command_id = ${id}`;
      await to`update sku set reserved = 0 where reserved = 2`;
    });
    await untilListed(id);
    expect(await look(LONG)).toMatchObject({ found: 1 });
    expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_missing', state: 'open' }]);
    // A young one may be about to be recorded.
    expect(await look(0)).toMatchObject({ found: 0 });
    await workflowOf(id).terminate('test');
  });

  test('is raised, when its tasks keep failing and it cannot say why', async () => {
    const id = uuidv7();
    await client.workflow.start(WORKFLOW.order, { workflowId: orderWorkflowId(id), taskQueue, args: [] });
    await untilListed(id);
    // Temporal makes the third attempt after ten seconds.
    await until('the finding', async () => ((await look(LONG)).found > 0 ? true : undefined), 45_000);
    expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_missing', state: 'open' }]);
    await workflowOf(id).terminate('test');
  }, 60_000);

  test('is in flight while it waits for a worker, or tries to reserve', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    await stopWorker();
    const asking = shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder({ sql, client });
    await untilListed(id);
    expect(await look(LONG)).toMatchObject({ found: 0 });
    const mend = await lockSku(sql, sku);
    await startWorker();
    await until('an attempt to reserve', async () =>
      (await workflowOf(id).query(orderQuery)).failing === 'reserve' ? true : undefined,
    );
    expect(await look(LONG)).toMatchObject({ found: 0 });
    await mend();
    expect(await asking).toMatchObject({ status: 201 });
  });
});

test('an order that waits past its deadline is raised, and gone when it waits no more', async () => {
  const { id } = await placed();
  await damage(
    (to) => to`update orders set payment_deadline = now() - interval '10 minutes' where id = ${id}`,
  );
  await reconcile();
  expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_overdue', state: 'open' }]);
  await shop.cancel(id);
  await reconcile();
  expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_overdue', state: 'gone' }]);
});

describe('what an order holds that is over', () => {
  test.each(['cancelled', 'expired'])('when it was %s by hand is given back', async (stage) => {
    const { id, sku, wallet } = await placed({ paymentMode: 'hold' });
    await moveByHand(id, stage);
    expect(await reconcile()).toMatchObject({ found: 2, repaired: 2 });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(new Set((await findingsAbout(id)).map(({ kind, state }) => `${kind} ${state}`))).toEqual(
      new Set(['units_held_by_closed_order repaired', 'money_held_by_closed_order repaired']),
    );
    await expectRulesHold(sql);
  });

  test('or does not exist is given back, and a counter that never counted it stays', async () => {
    const [sku, wallet, ghost] = [await shop.sku(10), await shop.wallet(100), uuidv7()];
    await damage(async (to) => {
      await to`insert into reservation (order_id, sku, quantity, state) values (${ghost}, ${sku}, 3, 'held')`;
      await to`insert into hold (order_id, wallet_id, amount, state) values (${ghost}, ${wallet}, 70, 'held')`;
      await to`update wallet set held = 70 where id = ${wallet}`;
    });
    expect(await reconcile()).toMatchObject({ repaired: 2 });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 100, held: 0 });
    await expectRulesHold(sql);
  });
});

describe('money', () => {
  /** A debit of 300 for an order that was cancelled. */
  async function takenForNothing() {
    const { id, wallet } = await placed();
    await shop.cancel(id);
    const transfer = uuidv7();
    await damage(async (to) => {
      await to`insert into transfer (id, kind, order_id) values (${transfer}, 'debit', ${id})`;
      await to`update wallet set posted = 4700 where id = ${wallet}`;
      await to`
        insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
        values (${transfer}, 'wallet', ${wallet}, -300, 'EUR', 4700, 0), (${transfer}, 'sales', null, 300, 'EUR', null, null)
      `;
    });
    return { id, wallet };
  }

  test('that was taken for an order that is over is put back, once, also by two runs at the same time', async () => {
    const { id, wallet } = await takenForNothing();
    const runs = await Promise.all([reconcile(), reconcile(), reconcile()]);
    expect(runs.reduce((sum, { repaired }) => sum + repaired, 0)).toBe(1);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    const [finding, ...others] = await findingsAbout(id);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      kind: 'money_taken_without_payment',
      state: 'repaired',
      repair: { before: { posted: 4_700 }, after: { posted: 5_000 } },
    });
    await expectRulesHold(sql);
  });

  test('that is missing for a paid order is raised, and the same finding is seen again', async () => {
    const { id, wallet } = await placed();
    await shop.pay(id);
    const [backup] = await sql<{ transfers: string; entries: string }[]>`
      select jsonb_agg(distinct to_jsonb(transfer))::text as transfers, json_agg(entry order by seq)::text as entries
      from transfer join entry on transfer.id = transfer_id
      where order_id = ${id}
    `;
    await damage(async (to) => {
      await to`delete from entry using transfer where transfer.id = transfer_id and order_id = ${id}`;
      await to`delete from transfer where order_id = ${id}`;
      await to`update wallet set posted = 5000 where id = ${wallet}`;
    });
    await reconcile();
    const [first] = await findingsAbout(id);
    await reconcile();
    const [second, ...others] = await findingsAbout(id);
    expect(first).toMatchObject({ kind: 'paid_without_money', state: 'open' });
    expect(others).toEqual([]);
    expect(second).toMatchObject({ id: first?.['id'], state: 'open', firstSeen: first?.['firstSeen'] });
    expect(second?.lastSeen).not.toBe(first?.lastSeen);
    // A person finds it in a backup.
    await damage(async (to) => {
      await to`
        insert into transfer
        select * from json_populate_recordset(null::transfer, ${backup?.transfers ?? ''}::text::json)
      `;
      await to`
        insert into entry overriding system value
        select * from json_populate_recordset(null::entry, ${backup?.entries ?? ''}::text::json)
      `;
      await to`update wallet set posted = 4000 where id = ${wallet}`;
    });
    await reconcile();
    expect(await findingsAbout(id)).toMatchObject([{ state: 'gone' }]);
    await expectRulesHold(sql);
  });
});

describe('a counter that is not what it sums', () => {
  test('of a SKU is reported with both values, and repaired only when somebody says so', async () => {
    const { sku } = await placed();
    await damage((to) => to`update sku set on_hand = 12, reserved = 1 where sku = ${sku}`);
    await reconcile();
    expect(await findingsAbout(sku)).toMatchObject([
      {
        kind: 'stock_counter_wrong',
        state: 'open',
        finding: 'on hand 12, by its movements and sales 10; reserved 1, by its reservations 2',
      },
    ]);
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 12, reserved: 1 });
    await reconcile(true);
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10, reserved: 2 });
    expect(await findingsAbout(sku)).toMatchObject([
      {
        state: 'repaired',
        repair: { before: { onHand: 12, reserved: 1 }, after: { onHand: 10, reserved: 2 } },
      },
    ]);
  });

  test('of a wallet is reported with both values, and repaired only when somebody says so', async () => {
    const wallet = await shop.wallet(100);
    await damage((to) => to`update wallet set posted = 90, held = 5 where id = ${wallet}`);
    // What happens in between says what the wallet held, for ever.
    await shop.topUp(wallet, 50);
    await reconcile();
    expect(await findingsAbout(wallet)).toMatchObject([
      {
        kind: 'wallet_counter_wrong',
        state: 'open',
        finding: 'posted 140, by its entries 150; held 5, by its holds 0',
      },
    ]);
    await reconcile(true);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 150, held: 0 });
    expect(await findingsAbout(wallet)).toMatchObject([
      { state: 'repaired', repair: { before: { posted: 140, held: 5 }, after: { posted: 150, held: 0 } } },
    ]);
    await expectRulesHold(sql);
  });
});

test('beside live orders nothing is found', async () => {
  const sku = await shop.sku(1_000);
  const live = new AbortController();
  const buyer = async (number: number) => {
    const wallet = await shop.wallet(100_000);
    while (!live.signal.aborted) {
      const paymentMode = number % 2 ? 'hold' : 'debit';
      const id = idOf(await shop.order(wallet, [{ sku, quantity: 1 }], { paymentMode }));
      if (number % 3 === 0) await shop.cancel(id);
      else await shop.pay(id);
      if (number % 3 === 1) await shop.refund(id, true);
    }
  };
  const before = await sql`select id from finding`;
  const buyers = Array.from({ length: 9 }, (_, number) => buyer(number));
  for (let run = 0; run < 5; run += 1) await reconcile(true);
  live.abort();
  await Promise.all(buyers);
  expect(await sql`select kind, subject, finding from finding offset ${before.length}`).toEqual([]);
}, 60_000);

test('one activity looks at many pages, so that the history of a run does not grow with the shop', async () => {
  const large = await freshDatabase();
  await large.sql`
    insert into wallet (id, owner_id, currency) select gen_random_uuid(), 'test', 'EUR' from generate_series(1, 1200)
  `;
  const { lookInto } = createReconciliationActivities(
    large.database,
    orderWorkflowsOf(client, `none-${randomUUID()}`),
  );
  const startedAt = new Date().toISOString();
  const look = { kind: 'wallet_counter_wrong', after: null, startedAt, repairCounters: false } as const;
  expect(await lookInto(look)).toEqual({ looked: 1_200, found: 0, repaired: 0, next: null });
});

test('rows that take long are looked at in smaller pages', async () => {
  const large = await freshDatabase();
  for (let count = 0; count < 4; count += 1) await stockedSku(large.sql, { onHand: 10 });
  // As if so much had come and gone that each SKU takes 400 ms; a statement has a second and a half.
  await large.sql`alter table stock_movement rename to movement`;
  await large.sql`
    create view stock_movement as
    select movement.* from movement cross join lateral (select pg_sleep(0.4 + 0 * movement.quantity)) as slow
  `;
  const { lookInto } = createReconciliationActivities(
    large.database,
    orderWorkflowsOf(client, `none-${randomUUID()}`),
  );
  let looked = 0;
  for (let after: string | null = null, isLast = false; !isLast;) {
    const page: LookResult = await lookInto({
      kind: 'stock_counter_wrong',
      after,
      startedAt: new Date().toISOString(),
      repairCounters: false,
    });
    looked += page.looked;
    after = page.next;
    isLast = after === null;
  }
  expect(looked).toBe(4);
}, 60_000);

test('the schedule is there once, follows the settings, and stays paused when somebody paused it', async () => {
  const settings = { taskQueue, every: 300_000, input: { repairCounters: false } };
  const wanted = reconcileSchedule(settings);
  const schedule = client.schedule.getHandle(wanted.scheduleId);
  try {
    await Promise.all([ensureSchedule(client, wanted), ensureSchedule(client, wanted)]);
    await schedule.pause('looking into it');
    await until('the pause', async () => ((await schedule.describe()).state.paused ? true : undefined));
    await ensureSchedule(
      client,
      reconcileSchedule({ ...settings, every: 60_000, input: { repairCounters: true } }),
    );
    const described = await schedule.describe();
    expect(described).toMatchObject({
      spec: { intervals: [{ every: 60_000 }] },
      state: { paused: true, note: 'looking into it' },
      action: { workflowType: 'reconcile', args: [{ repairCounters: true }] },
    });
    await schedule.unpause();
    await schedule.trigger();
    const run = await until('a run', async () => (await schedule.describe()).info.recentActions[0]);
    expect(run.action.workflow.workflowId).toContain('reconcile');
  } finally {
    await schedule.delete();
  }
});

test('two deployments in one namespace each have a schedule', async () => {
  const schedules = ['first', 'second'].map((name) =>
    monitorSchedule({ taskQueue: `${name}-${taskQueue}`, every: 60_000 }),
  );
  for (const schedule of schedules) await ensureSchedule(client, schedule);
  for (const { scheduleId, taskQueue: own } of schedules) {
    const schedule = client.schedule.getHandle(scheduleId);
    expect(await schedule.describe()).toMatchObject({ action: { taskQueue: own } });
    await schedule.delete();
  }
});

test('a schedule of 0.2, which had no task queue in its id, gives way to the one that has, and stays paused', async () => {
  const wanted = monitorSchedule({ taskQueue, every: 60_000 });
  const old = await client.schedule.create({
    scheduleId: WORKFLOW.monitor,
    spec: { intervals: [{ every: 60_000 }] },
    action: { type: 'startWorkflow', workflowType: WORKFLOW.monitor, taskQueue },
    state: { paused: true, note: 'looking into it' },
  });
  await Promise.all([ensureSchedule(client, wanted), ensureSchedule(client, wanted)]);
  await expect(old.describe()).rejects.toThrow(ScheduleNotFoundError);
  const schedule = client.schedule.getHandle(wanted.scheduleId);
  expect(await schedule.describe()).toMatchObject({ state: { paused: true, note: 'looking into it' } });
  await schedule.delete();
});

test('schedules that Temporal does not take yet are there once it does', async () => {
  const namespace = `later-${randomUUID()}`;
  const later = new Client({ connection: client.connection, namespace });
  const warnings: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) });
  const ending = new AbortController();
  const wanted = monitorSchedule({ taskQueue, every: 60_000 });
  const scheduling = ensureSchedules(later, [wanted], { logger, signal: ending.signal });
  await until('a refusal', () => Promise.resolve(warnings.length > 0 ? true : undefined));
  await client.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs(86_400_000),
  });
  await scheduling;
  expect(await later.schedule.getHandle(wanted.scheduleId).describe()).toMatchObject({
    action: { workflowType: 'monitor' },
  });
  await later.schedule.getHandle(wanted.scheduleId).delete();
  const never = new Client({ connection: client.connection, namespace: `never-${randomUUID()}` });
  const trying = ensureSchedules(never, [wanted], { logger, signal: ending.signal });
  ending.abort();
  await trying;
});
