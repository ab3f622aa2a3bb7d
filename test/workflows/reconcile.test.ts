/** Reconciliation finds, keeps and repairs what was broken from outside, and mistakes nothing in flight for broken. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { RUNNING_ROLE } from '../../db/connection.ts';
import { createReconciliationActivities } from '../../activities/reconciliation/activities.ts';
import type { PageResult } from '../../activities/reconciliation/page.ts';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { reserve } from '../../db/steps/reserve.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { plain } from '../../workflows/details.ts';
import { WORKFLOW, orderQuery, payUpdate } from '../../workflows/messages.ts';
import { breachesOfWorkflows, expectRulesHold, freshDatabase } from '../support/database.ts';
import { plant } from '../support/planted.ts';
import { reconciling } from '../support/reconciling.ts';
import { idOf } from '../support/shop.ts';
import { anOrder } from '../support/step-requests.ts';
import { fundedWallet, openShop, stockedSku } from '../support/stock.ts';
import { startSystem } from '../support/system.ts';
import { fillWallet, lockSku } from '../support/obstacles.ts';
import { unansweredOrder } from '../support/unanswered.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, client, sql, database, taskQueue, startWorker, stopWorker } = system;
const { workflowOf, reconcile, findingsAbout, placed } = reconciling(system);

/** Moves an order to a stage by hand, with its event, and without anything else that a step does. */
const moveByHand = (id: string, stage: string) =>
  plant(sql, async (transaction) => {
    await transaction`
      insert into order_event (order_id, version, from_stage, stage, reason, at)
      select id, version + 1, stage, ${stage}, 'by hand', now() from orders where id = ${id}
    `;
    await transaction`update orders set stage = ${stage}, version = version + 1 where id = ${id}`;
    return client.workflow.getHandle(orderWorkflowId(id)).terminate('by hand');
  });

test('an open order of another shop whose workflow is lost goes on in its shop', async () => {
  const shopId = await openShop(sql);
  const sku = await stockedSku(sql, { shopId, sku: 'MUG', onHand: 3 });
  const walletId = await fundedWallet(sql, { shopId, funds: 5_000 });
  const at = new Date().toISOString();
  const paymentDeadline = new Date(Date.now() + 900_000).toISOString();
  const order = anOrder({ shopId, walletId, lines: [{ sku, quantity: 2 }], at, paymentDeadline });
  await reserve(database, order);
  expect(await reconcile()).toMatchObject({ found: 1, repaired: 1 });
  const workflow = workflowOf(order.orderId);
  const { currentDetails } = await workflow.query<{ currentDetails: string }>('__temporal_workflow_metadata');
  expect(currentDetails).toContain(`of shop ${plain(shopId)} |`);
  await workflow.executeUpdate(payUpdate, { args: [{ commandId: randomUUID() }] });
  expect(await workflow.result()).toMatchObject({ stage: 'paid' });
  expect([...(await sql`select shop_id, on_hand, reserved from sku where sku = 'MUG'`)]).toEqual([
    { shop_id: shopId, on_hand: 1, reserved: 0 },
  ]);
});

describe('a workflow without a recorded order', () => {
  const workflows = orderWorkflowsOf(client, taskQueue);
  const { lookInto } = createReconciliationActivities(database, workflows);
  /** As a run would that begins this many milliseconds later. */
  const inspect = (later: number) =>
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

  test('is found as order_missing once it has run for long', async () => {
    const { id } = await placed();
    await plant(sql, async (to) => {
      for (const table of ['reservation', 'order_line', 'order_event', 'order_step'])
        await to`delete from ${sql(table)} where order_id = ${id}`;
      await to`delete from orders where id = ${id}`;
      await to`delete from idempotency_key where command_id = ${id}`;
      await to`update sku set reserved = 0 where reserved = 2`;
    });
    await untilListed(id);
    expect(await inspect(LONG)).toMatchObject({ found: 1 });
    expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_missing', state: 'open' }]);
    // A young workflow's order may be about to be recorded.
    expect(await inspect(0)).toMatchObject({ found: 0 });
    await workflowOf(id).terminate('test');
  });

  test('is found as order_missing when its tasks keep failing and it cannot answer', async () => {
    const id = uuidv7();
    await client.workflow.start(WORKFLOW.order, { workflowId: orderWorkflowId(id), taskQueue, args: [] });
    await untilListed(id);
    // Temporal makes the third attempt after ten seconds.
    await until('the finding', async () => ((await inspect(LONG)).found > 0 ? true : undefined), 45_000);
    expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_missing', state: 'open' }]);
    await workflowOf(id).terminate('test');
  }, 60_000);

  test('is not found as order_missing while it waits for a worker or tries to reserve', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    await stopWorker();
    const asking = shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder({ sql, client });
    await untilListed(id);
    expect(await inspect(LONG)).toMatchObject({ found: 0 });
    const unlock = await lockSku(sql, sku);
    await startWorker();
    await until('an attempt to reserve', async () =>
      (await workflowOf(id).query(orderQuery)).failing === 'reserve' ? true : undefined,
    );
    expect(await inspect(LONG)).toMatchObject({ found: 0 });
    await unlock();
    expect(await asking).toMatchObject({ status: 201 });
  });
});

test('an order that waits past its deadline is a finding, which is gone once the order no longer waits', async () => {
  const { id } = await placed();
  await plant(
    sql,
    (to) => to`update orders set payment_deadline = now() - interval '10 minutes' where id = ${id}`,
  );
  await reconcile();
  expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_overdue', state: 'open' }]);
  await shop.cancel(id);
  await reconcile();
  expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_overdue', state: 'gone' }]);
});

describe('what an order holds', () => {
  test.each(['cancelled', 'expired'])(
    'is given back by reconciliation when the order was %s by hand',
    async (stage) => {
      const { id, sku, wallet } = await placed({ paymentMode: 'hold' });
      await moveByHand(id, stage);
      expect(await reconcile()).toMatchObject({ found: 2, repaired: 2 });
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(new Set((await findingsAbout(id)).map(({ kind, state }) => `${kind} ${state}`))).toEqual(
        new Set(['units_held_by_closed_order repaired', 'money_held_by_closed_order repaired']),
      );
      await expectRulesHold(sql);
    },
  );

  test('is given back by reconciliation when the order does not exist, and a counter that never counted it stays', async () => {
    const [sku, wallet, ghost] = [await shop.sku(10), await shop.wallet(100), uuidv7()];
    await plant(sql, async (to) => {
      await to`insert into reservation (shop_id, order_id, sku, quantity, state) values ('main', ${ghost}, ${sku}, 3, 'held')`;
      await to`insert into hold (shop_id, order_id, wallet_id, amount, state) values ('main', ${ghost}, ${wallet}, 70, 'held')`;
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
    await plant(sql, async (to) => {
      await to`insert into transfer (shop_id, id, kind, order_id) values ('main', ${transfer}, 'debit', ${id})`;
      await to`update wallet set posted = 4700 where id = ${wallet}`;
      await to`
        insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
        values ('main', ${transfer}, 'wallet', ${wallet}, -300, 'EUR', 4700, 0), ('main', ${transfer}, 'sales', null, 300, 'EUR', null, null)
      `;
    });
    return { id, wallet };
  }

  test('taken for an order that is over is put back once, even by three runs of reconciliation at the same time', async () => {
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

  test('that does not fit into its wallet is put back by a later run of reconciliation, once there is room', async () => {
    const { id, wallet } = await takenForNothing();
    await fillWallet(sql, wallet);
    expect(await reconcile()).toMatchObject({ repaired: 0 });
    expect(await findingsAbout(id)).toMatchObject([{ kind: 'money_taken_without_payment', state: 'open' }]);
    expect(await shop.pay(await shop.placed(wallet, await shop.sku(1)))).toMatchObject({ status: 200 });
    expect(await reconcile()).toMatchObject({ repaired: 1 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: Number.MAX_SAFE_INTEGER - 200, held: 0 });
    await expectRulesHold(sql);
  });

  test('missing for a paid order is a finding, and later runs of reconciliation see the same finding', async () => {
    const { id, wallet } = await placed();
    await shop.pay(id);
    const [backup] = await sql<{ transfers: string; entries: string }[]>`
      select jsonb_agg(distinct to_jsonb(transfer))::text as transfers, json_agg(entry order by seq)::text as entries
      from transfer join entry on transfer.id = transfer_id
      where order_id = ${id}
    `;
    await plant(sql, async (to) => {
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
    await plant(sql, async (to) => {
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

describe('a wrong counter', () => {
  test('of a SKU is reported with both values, and repaired only on request', async () => {
    const { sku } = await placed();
    await plant(sql, (to) => to`update sku set on_hand = 12, reserved = 1 where sku = ${sku}`);
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

  test('of a wallet is reported with both values, and repaired only on request', async () => {
    const wallet = await shop.wallet(100);
    await plant(sql, (to) => to`update wallet set posted = 90, held = 5 where id = ${wallet}`);
    // An entry written in between states forever what the wallet held then.
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

test('reconciliation finds nothing wrong while orders are being carried out', async () => {
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
  // Each way of paying with each end.
  const buyers = Array.from({ length: 6 }, (_, number) => buyer(number));
  for (let run = 0; run < 3; run += 1) await reconcile(true);
  live.abort();
  await Promise.all(buyers);
  expect(await sql`select kind, subject, finding from finding offset ${before.length}`).toEqual([]);
}, 60_000);

test('one activity of reconciliation inspects many pages, so that the history of a run does not grow with the shop', async () => {
  const large = await freshDatabase();
  await large.sql`
    insert into wallet (shop_id, id, owner_id, currency) select 'main', gen_random_uuid(), 'test', 'EUR' from generate_series(1, 1200)
  `;
  const { lookInto } = createReconciliationActivities(
    large.database,
    orderWorkflowsOf(client, `none-${randomUUID()}`),
  );
  const startedAt = new Date().toISOString();
  const request = { kind: 'wallet_counter_wrong', after: null, startedAt, repairCounters: false } as const;
  expect(await lookInto(request)).toEqual({ looked: 1_200, found: 0, repaired: 0, next: null });
});

test('rows that take long to read are inspected in smaller pages', async () => {
  const large = await freshDatabase();
  for (let count = 0; count < 4; count += 1) await stockedSku(large.sql, { onHand: 10 });
  // As if each SKU had so many movements that summing them takes 400 ms; a statement has a second and a half.
  await large.sql`
    create function read_slowly(quantity bigint) returns bigint stable language plpgsql
    as $$ begin perform pg_sleep(0.4); return quantity; end $$
  `;
  await large.sql`alter table stock_movement rename to movement`;
  await large.sql`
    create view stock_movement as select shop_id, id, sku, kind, read_slowly(quantity) as quantity from movement
  `;
  await large.sql`grant select on stock_movement to ${large.sql(RUNNING_ROLE)}`;
  const { lookInto } = createReconciliationActivities(
    large.database,
    orderWorkflowsOf(client, `none-${randomUUID()}`),
  );
  let inspected = 0;
  for (let after: string | null = null, isLast = false; !isLast;) {
    const page: PageResult = await lookInto({
      kind: 'stock_counter_wrong',
      after,
      startedAt: new Date().toISOString(),
      repairCounters: false,
    });
    inspected += page.looked;
    after = page.next;
    isLast = after === null;
  }
  expect(inspected).toBe(4);
}, 60_000);

test('a workflow that still runs for an order that is over breaks rule 8, even while no worker could answer for it', async () => {
  const { id } = await placed();
  await plant(sql, async (to) => {
    await to`
      insert into order_event (order_id, version, from_stage, stage, reason, at)
      select id, 2, stage, 'cancelled', 'by hand', now() from orders where id = ${id}
    `;
    await to`
      update orders set stage = 'cancelled', version = 2, updated_at = now() - interval '10 minutes' where id = ${id}
    `;
  });
  await stopWorker();
  const workflows = orderWorkflowsOf(client, taskQueue);
  const longAgo = new Date(Date.now() - 600_000);
  const breaches = await until('the listing to know of the workflow', async () => {
    const found = await breachesOfWorkflows(database, {
      ...workflows,
      listRunning: async (after) => {
        const { orders, next } = await workflows.listRunning(after);
        return { orders: orders.map(({ orderId }) => ({ orderId, startedAt: longAgo })), next };
      },
    });
    return found.some(({ subject }) => subject.includes(id)) ? found : undefined;
  });
  expect(breaches).toEqual([
    { subject: `order ${id}`, finding: 'its workflow still runs, but the order is cancelled' },
  ]);
  await workflowOf(id).terminate('test');
  await startWorker();
});
