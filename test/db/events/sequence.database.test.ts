/** Transactions commit late and in another order than they began. A program that polls still sees every event once, in order, under consecutive numbers. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../db/connection.ts';
import { publishEvents } from '../../../db/events/publish.ts';
import { openPostgres } from '../../../db/postgres.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { publishAll } from '../../support/dropped-months.ts';
import { expectSawAll, pollerOf, within, writerIn } from '../../support/published-events.ts';
import { openShop } from '../../support/stock.ts';

const { url, database, sql } = await freshDatabase();
afterEach(() => expectRulesHold(sql));

test('an event whose transaction began before others and commits after them is not missed by who has read the others', async () => {
  const shopId = await openShop(sql);
  // Of another SKU: one whose units somebody holds is waited for.
  const [slow, quick] = [await writerIn(sql, shopId), await writerIn(sql, shopId)];
  const poller = pollerOf(database, shopId, 10);
  await sql.begin(async (late) => {
    await slow.place(within(sql, late));
    await quick.place(database);
    await publishAll(database);
    expect(await poller.poll()).toBe(true);
  });
  await publishAll(database);
  await poller.poll();
  expect(poller.seen).toHaveLength(2);
  await expectSawAll(sql, shopId, poller);
});

test('a number that is not committed yet is waited for, also by who could publish more', async () => {
  const shopId = await openShop(sql);
  const writer = await writerIn(sql, shopId);
  const poller = pollerOf(database, shopId, 10);
  await writer.place(database);
  await sql.begin(async (slow) => {
    expect(await publishEvents(within(sql, slow))).toHaveLength(1);
    await writer.place(database);
    expect(await publishEvents(database)).toEqual([]);
    expect(await poller.poll()).toBe(false);
  });
  await publishAll(database);
  await poller.poll();
  await expectSawAll(sql, shopId, poller);
});

test('what is published in a transaction that fails is published again, under the same numbers', async () => {
  const shopId = await openShop(sql);
  const writer = await writerIn(sql, shopId);
  const poller = pollerOf(database, shopId, 10);
  await writer.place(database);
  await expect(
    sql.begin(async (failing) => {
      await publishEvents(within(sql, failing));
      throw new Error('failed');
    }),
  ).rejects.toThrow('failed');
  await publishAll(database);
  await poller.poll();
  await expectSawAll(sql, shopId, poller);
});

test('many writers at full speed, some of whom commit late or not at all, three publishers and pollers of two shops: nothing is missed, nothing comes twice', async () => {
  const shops = [await openShop(sql), await openShop(sql)];
  const pollers = shops.map((shopId, index) => ({
    shopId,
    poller: pollerOf(database, shopId, index === 0 ? 3 : 50),
  }));
  const many = openPostgres(url, { connections: 8 });
  const publishers = [1, 2, 3].map((number) =>
    openDatabase(url, { connections: 1, name: `publisher ${number}` }),
  );
  onTestFinished(async () => {
    await Promise.all([many.end(), ...publishers.map((publisher) => publisher.close())]);
  });
  const publishing = new AbortController();
  const { signal } = publishing;

  async function write(shopId: string, number: number): Promise<void> {
    const writer = await writerIn(sql, shopId);
    for (let turn = 0; turn < 25; turn += 1) {
      const orderId = await many.begin(async (transaction) => {
        const placed = await writer.place(within(many, transaction));
        await delay((number * 7 + turn * 5) % 17);
        return placed;
      });
      await many
        .begin(async (transaction) => {
          await writer.pay(within(many, transaction), orderId);
          await delay((number * 3 + turn) % 7);
          if (turn % 5 === 0) throw new Error('changed its mind');
        })
        .catch(() => writer.expire(database, orderId));
    }
  }
  async function publish(publisher: (typeof publishers)[number]): Promise<void> {
    while (!signal.aborted) await publishEvents(publisher, 7);
  }
  async function poll({ poller }: (typeof pollers)[number]): Promise<void> {
    while (!signal.aborted || (await poller.poll())) await poller.poll();
  }

  const reading = Promise.all([...publishers.map(publish), ...pollers.map(poll)]);
  await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((number) => write(shops[number % 2] ?? '', number)));
  while ((await sql`select from outbox`).length > 0) await delay(10);
  publishing.abort();
  await reading;
  for (const { shopId, poller } of pollers) {
    expect(poller.seen).toHaveLength(4 * 25 * 2);
    await expectSawAll(sql, shopId, poller);
  }
});

test('more than one notification can carry is said in several', async () => {
  const shopId = await openShop(sql);
  const writer = await writerIn(sql, shopId);
  const orders: string[] = [];
  for (let count = 0; count < 201; count += 1) orders.push(await writer.place(database));
  const heard: string[] = [];
  const listening = openPostgres(url, { connections: 1 });
  onTestFinished(() => listening.end());
  await listening.listen('holdfast_event', (ids) => heard.push(ids));
  await publishAll(database);
  while (heard.length < 2) await delay(10);
  expect(heard.flatMap((ids) => ids.split(',')).toSorted()).toEqual(orders.toSorted());
});
