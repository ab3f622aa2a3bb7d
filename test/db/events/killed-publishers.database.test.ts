/** Several processes publish at once, and some of them, their sessions and with them PostgreSQL, are killed in the middle. */
import { join } from 'node:path';
import { kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { openDatabase } from '../../../db/connection.ts';
import { migrateDatabase } from '../../../db/migrate.ts';
import { openPostgres } from '../../../db/postgres.ts';
import { startPostgres } from '../../../dev/postgres/server.ts';
import { makeThrowawayFolder, removeFolder } from '../../../dev/postgres/throwaway-folder.ts';
import { expectRulesHold } from '../../support/database.ts';
import { expectSawAll, pollerOf, writerIn } from '../../support/published-events.ts';
import { startScript } from '../../support/server-process.ts';
import { openShop } from '../../support/stock.ts';
import { until } from '../../support/until.ts';

// A server of its own: it loses every session when one is killed. Commits do not wait for its log, and what was committed during some seconds
// before is lost: but for what a publisher's commit, which must wait, has brought to the disk.
const folder = await makeThrowawayFolder('holdfast-test-killed-');
const server = await startPostgres({
  dataFolder: join(folder, 'postgres'),
  port: 0,
  durable: false,
  settings: { wal_writer_delay: '10s' },
  report: () => {},
  logFile: join(folder, 'postgres.log'),
});
await migrateDatabase(server.url);
const database = openDatabase(server.url, { connections: 8, name: 'writers' });
const sql = openPostgres(server.url, { connections: 2 });
afterAll(async () => {
  await Promise.all([database.close(), sql.end({ timeout: 1 })]);
  await server.stop();
  await removeFolder(folder);
});

/** Until it succeeds: the server may be recovering. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch {
      await delay(20);
    }
  }
}

const isThere = async (orderId: string): Promise<boolean> =>
  (await sql`select from orders where id = ${orderId}`).length > 0;

const startPublisher = () => startScript('test/support/publisher-process.ts', { DATABASE_URL: server.url });

test('no event is lost or published twice, and no number that was read is given to another event', async () => {
  const shopId = await openShop(sql);
  const writer = await writerIn(sql, shopId);
  // So that there is a middle.
  await sql`create function take_a_moment() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return null; end $$`;
  await sql`create trigger slow after insert on published_event for each statement execute function take_a_moment()`;
  const publishers = [startPublisher(), startPublisher(), startPublisher()];
  const poller = pollerOf(database, shopId, 20);
  let isDone = false;

  async function write(): Promise<void> {
    for (let turn = 0; turn < 30; turn += 1) {
      const orderId = await persist(() => writer.place(database));
      await persist(async () => (await isThere(orderId)) && writer.pay(database, orderId));
    }
  }
  async function poll(): Promise<void> {
    for (;;) {
      const found = await persist(() => poller.poll());
      if (isDone && !found) return;
      await delay(5);
    }
  }
  /** Resolves once a publisher's session was in the middle of it, and is gone. */
  async function killOneInTheMiddle(): Promise<void> {
    const [session] = await until('a publisher to be in the middle', async () => {
      const found = await persist(
        () => sql<{ pid: number }[]>`
          select pid from pg_stat_activity where application_name = 'publisher' and wait_event = 'PgSleep'
        `,
      );
      return found.length > 0 && found;
    });
    if (session) kill(session.pid, 'SIGKILL');
  }

  const polling = poll();
  const writing = Promise.all([write(), write(), write(), write()]);
  await until('something to be read', async () => poller.seen.length > 10);
  await killOneInTheMiddle();
  publishers[0]?.child.kill('SIGKILL');
  const read = poller.seen.length;
  await until('publishing to go on', async () => poller.seen.length > read + 20);
  await killOneInTheMiddle();
  await writing;
  await until('all to be published', () => persist(async () => (await sql`select from outbox`).length === 0));
  isDone = true;
  await polling;
  for (const { child } of publishers) child.kill('SIGKILL');

  await expectSawAll(sql, shopId, poller);
  await expectRulesHold(sql);
  const published = await sql<{ id: string }[]>`
    select order_id || '-' || version as id from published_event order by sequence
  `;
  expect(poller.seen.map(({ id }) => id)).toEqual(published.map(({ id }) => id));
});
