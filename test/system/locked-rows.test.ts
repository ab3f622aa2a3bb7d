/** A row stays locked, for example by an open transaction in psql: only what needs that row is held up. */
import { MAIN_SHOP } from '../../domain/shops.ts';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import type { Rows } from '../../db/lock-queries.ts';
import { avoidLockedRows } from '../../db/locked-rows.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { obey } from '../support/obey.ts';
import { expectRulesHold } from '../support/database.ts';
import { countEvents } from '../support/history.ts';
import type { Answer } from '../support/answer.ts';
import { expectStatus } from '../support/shop.ts';
import { fundedWallet, stockedSku } from '../support/stock.ts';
import { startSystem } from '../support/system.ts';
import { lockOrders, lockSku, lockWallet } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

/** Few, so that few orders are more than they can take. */
const SLOTS = 8;
const { shop, sql, client, database } = await startSystem({ workerSlots: SLOTS });

afterEach(() => expectRulesHold(sql));

/** Orders that need a locked row: three times the worker's slots, and more than its connections. */
const BLOCKED = 3 * SLOTS;
/** Calls of the API that need a locked row: three times its connections. */
const BLOCKED_CALLS = 60;
const RESEND_AFTER_MS = 100;
/** Calls that need no locked row. */
const OTHERS = 15;
/** Blocked orders that are under way at once before the others start: more than there are slots. */
const MORE_THAN_SLOTS = SLOTS + 2;
/** How many of the worker's slots blocked orders may hold while they find out that their row is still locked. */
const SLOTS_OF_BLOCKED = { oneRow: SLOTS / 4, rowOfEach: SLOTS / 2 } as const;

const many = <T>(count: number, make: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, make));

/** Sends each call with the same key until it has a final answer, as callers do. */
function persist(calls: readonly ((key: string) => Promise<Answer>)[]) {
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  let answered = 0;
  const answers = Promise.all(
    calls.map(async (send) => {
      const key = randomUUID();
      for (;;) {
        const answer = await obey(() => send(key));
        const isFinal = answer.status !== 503 && answer.body['code'] !== 'idempotency_in_progress';
        if (!isOver && !isFinal) {
          await delay(RESEND_AFTER_MS);
          continue;
        }
        answered += 1;
        return answer.status;
      }
    }),
  );
  return { answers, answered: () => answered };
}

/** Resolves when each order's quick attempt has failed: by then the worker knows that the row is locked. */
async function untilAllFellBack(orderIds: readonly string[]): Promise<void> {
  for (const id of orderIds)
    await until(
      `the fallback of order ${id}`,
      async () =>
        (await countEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes')) > 0,
    );
}

/** Temporal's PendingActivityState.PENDING_ACTIVITY_STATE_STARTED. */
const STARTED = 2;

/** The number of the worker's slots that steps of these orders hold at this moment. */
async function slotsHeldBy(orderIds: readonly string[]): Promise<number> {
  const held = await Promise.all(
    orderIds.map(async (id) => {
      const { raw } = await client.workflow.getHandle(orderWorkflowId(id)).describe();
      return raw.pendingActivities?.filter(({ state }) => Number(state) === STARTED).length ?? 0;
    }),
  );
  return held.reduce((sum, count) => sum + count, 0);
}

/** The orders without an answer, once there are this many: the API admits only a few at a time, because they take too long. */
const unanswered = (count: number): Promise<string[]> =>
  until(
    `${count} orders without an answer`,
    async () => {
      const rows = await sql<{ id: string }[]>`
      select command_id as id from idempotency_key where operation = 'createOrder' and response_status is null
    `;
      return rows.length >= count ? rows.map(({ id }) => id) : undefined;
    },
    60_000,
  );

/** Sends calls that need no locked row, while the others try again and again. */
async function expectOthersServed(
  send: () => Promise<Answer>,
  status: number,
  blocked: readonly string[],
  locked: keyof typeof SLOTS_OF_BLOCKED,
): Promise<void> {
  await untilAllFellBack(blocked);
  const held: number[] = [];
  for (let index = 0; index < OTHERS; index += 1) {
    expectStatus(await send(), status);
    if (index % 3 === 0) held.push(await slotsHeldBy(blocked));
  }
  // Those that fell back together try again together, and hold more for a moment.
  const median = held.toSorted((one, other) => one - other)[2];
  expect(median, `slots held: ${held.join(', ')}`).toBeLessThanOrEqual(SLOTS_OF_BLOCKED[locked]);
}

test('24 orders of a locked SKU hold up no order of another SKU, and all are placed once the locked SKU is free', async () => {
  const [locked, free, wallet] = await Promise.all([shop.sku(100), shop.sku(100), shop.wallet(0)]);
  const unlock = await lockSku(sql, locked);
  onTestFinished(unlock);
  const create = (sku: string, key?: string) =>
    shop.order(wallet, [{ sku, quantity: 1 }], {}, key === undefined ? {} : { key });
  const blocked = persist(Array.from({ length: BLOCKED }, () => (key: string) => create(locked, key)));

  await expectOthersServed(() => obey(() => create(free)), 201, await unanswered(MORE_THAN_SLOTS), 'oneRow');
  expect(blocked.answered()).toBe(0);
  await unlock();
  expect(await blocked.answers).toEqual(Array.from({ length: BLOCKED }, () => 201));
  expect(await shop.stockOf(locked)).toEqual({ onHand: 100, reserved: BLOCKED, available: 100 - BLOCKED });
}, 120_000);

const LOCKS = [
  {
    name: 'of a locked wallet',
    locked: 'oneRow',
    lock: ({ wallet }: { wallet: string }) => lockWallet(sql, wallet),
  },
  {
    name: 'whose own rows are locked',
    locked: 'rowOfEach',
    lock: ({ orders }: { orders: readonly string[] }) => lockOrders(sql, orders),
  },
] as const;

test.each(LOCKS)(
  '24 payments $name hold up no other payment, and all are made once the lock is released',
  async ({ lock, locked }) => {
    const [sku, wallet, another] = await Promise.all([
      shop.sku(100),
      shop.wallet(50_000),
      shop.wallet(50_000),
    ]);
    const orders = await many(BLOCKED, () => shop.placed(wallet, sku));
    const others = await many(OTHERS, () => shop.placed(another, sku));
    const unlock = await lock({ wallet, orders });
    onTestFinished(unlock);
    const blocked = persist(orders.map((id) => (key: string) => shop.pay(id, { key })));

    await expectOthersServed(() => shop.pay(others.pop() ?? ''), 200, orders, locked);
    expect(blocked.answered()).toBe(0);
    await unlock();
    expect(await blocked.answers).toEqual(orders.map(() => 200));
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 50_000 - BLOCKED * 500, held: 0 });
  },
  120_000,
);

test('60 deposits into a locked wallet leave the API its connections, and all are booked once the wallet is free', async () => {
  const [locked, free] = await Promise.all([shop.wallet(0), shop.wallet(0)]);
  const unlock = await lockWallet(sql, locked);
  onTestFinished(unlock);
  const deposit = (id: string, key: string) =>
    shop.post(`/v1/wallets/${id}/deposits`, { amount: 1 }, { key });
  const blocked = persist(Array.from({ length: BLOCKED_CALLS }, () => (key: string) => deposit(locked, key)));
  for (let index = 0; index < OTHERS; index += 1) expectStatus(await deposit(free, randomUUID()), 201);
  expect(blocked.answered()).toBe(0);
  await unlock();
  expect(await blocked.answers).toEqual(Array.from({ length: BLOCKED_CALLS }, () => 201));
  expect(await shop.balanceOf(locked)).toEqual({ posted: BLOCKED_CALLS, held: 0 });
});

test('60 restocks of a locked SKU leave the API its connections, and all are booked once the SKU is free', async () => {
  const [locked, free] = await Promise.all([shop.sku(0), shop.sku(0)]);
  const unlock = await lockSku(sql, locked);
  onTestFinished(unlock);
  const restock = (sku: string, key: string) =>
    shop.post(`/v1/skus/${sku}/restocks`, { quantity: 1 }, { key });
  const blocked = persist(Array.from({ length: BLOCKED_CALLS }, () => (key: string) => restock(locked, key)));

  for (let index = 0; index < OTHERS; index += 1) expectStatus(await restock(free, randomUUID()), 201);
  expect(blocked.answered()).toBe(0);
  await unlock();
  expect(await blocked.answers).toEqual(Array.from({ length: BLOCKED_CALLS }, () => 201));
  expect(await shop.stockOf(locked)).toEqual({
    onHand: BLOCKED_CALLS,
    reserved: 0,
    available: BLOCKED_CALLS,
  });
});

const inMain = (sku: string) => ({ shopId: MAIN_SHOP, sku });

test('an attempt whose row is known to be locked is made only once the row is free', async () => {
  // An attempt waits at the first of the two and never reaches the second.
  const skus = await Promise.all([stockedSku(sql, { onHand: 1 }), stockedSku(sql, { onHand: 1 })]);
  const [locked = '', free = ''] = skus.toSorted();
  const wallet = await fundedWallet(sql, { funds: 0 });
  let made = 0;
  const attempt = (rows: Rows) =>
    avoidLockedRows(
      database,
      () => rows,
      () => {
        made += 1;
        return database.run(
          (to) =>
            to.sql`select from sku where sku in ${to.sql((rows.skus ?? []).map((key) => key.sku))} order by sku for no key update`,
        );
      },
    );
  const unlock = await lockSku(sql, locked);
  onTestFinished(unlock);
  const refused = { code: '55P03', message: `Another session keeps the row of SKU main/${locked} locked.` };
  await expect(attempt({ skus: [inMain(free), inMain(locked)] })).rejects.toMatchObject(refused);
  expect(made).toBe(1);
  await expect(attempt({ skus: [inMain(free), inMain(locked)] })).rejects.toMatchObject(refused);
  expect(made).toBe(1);
  await attempt({ skus: [inMain(free)], wallets: [wallet], orders: [randomUUID()] });
  expect(made).toBe(2);
  await unlock();
  await until('the row to be found free', () => attempt({ skus: [inMain(locked)] }).catch(() => undefined));
  expect(made).toBe(3);
});
