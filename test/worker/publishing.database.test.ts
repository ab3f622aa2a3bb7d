/** A worker goes on publishing whatever happens to PostgreSQL, and ends when it is asked to. */
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../db/connection.ts';
import type { JustPublished } from '../../db/events/publish.ts';
import { keepPublishing, type Publishing } from '../../worker/publishing.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { writerIn } from '../support/published-events.ts';
import { openShop } from '../support/stock.ts';
import { until } from '../support/until.ts';

const { url, database, sql } = await freshDatabase();
const proxy = await startProxy(url);
afterEach(() => expectRulesHold(sql));

function startPublishing(onPublished: Publishing['onPublished']) {
  const pool = openDatabase(proxy.through(url), { connections: 1, name: 'publishing' });
  const ending = new AbortController();
  const reported: unknown[] = [];
  const ended = keepPublishing(pool, {
    signal: ending.signal,
    report: (error) => reported.push(error),
    ...(onPublished && { onPublished }),
  });
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended;
    await pool.close();
  };
  onTestFinished(stop);
  return { reported, stop };
}

test('what is recorded while PostgreSQL is out of reach is published once it is back, and the outage is reported once', async () => {
  const writer = await writerIn(sql, await openShop(sql));
  const published: JustPublished[] = [];
  const { reported } = startPublishing((some) => void published.push(...some));
  const before = await writer.place(database);
  await until('the first event', async () => published.length === 1);
  proxy.cut();
  const during = [await writer.place(database), await writer.place(database)];
  await until('the outage to be noticed', async () => reported.length > 0);
  proxy.heal();
  await until('the others', async () => published.length === 3);
  expect(published.map(({ orderId }) => orderId)).toEqual([before, ...during]);
  expect(published.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(reported).toHaveLength(1);
});

test('who fails to pass on what was published does not keep the next events back', async () => {
  const writer = await writerIn(sql, await openShop(sql));
  const passed: number[] = [];
  const { reported } = startPublishing(async (some) => {
    passed.push(some.length);
    if (passed.length === 1) throw new Error('nobody there');
  });
  await writer.place(database);
  await until('the first', async () => passed.length === 1);
  await writer.place(database);
  await until('the second', async () => passed.length === 2);
  expect(reported).toMatchObject([{ message: 'nobody there' }]);
});

test('it ends at once when it is asked to', async () => {
  const { stop } = startPublishing(undefined);
  const began = performance.now();
  await stop();
  expect(performance.now() - began).toBeLessThan(150);
});
