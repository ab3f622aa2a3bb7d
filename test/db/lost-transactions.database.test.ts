/** A transaction whose session ends is a failed query like any other. postgres.js alone would end the process. */
import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase, type Database } from '../../db/connection.ts';
import { isDatabaseUnavailable } from '../../db/errors.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { freshDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const { url, sql } = await freshDatabase();

const single = (database: Database) => database.run((to) => to.sql`select pg_sleep(5)`);
const several = (database: Database) =>
  database.transaction(async (transaction) => {
    await transaction`select 1`;
    await transaction`select pg_sleep(5)`;
  });

/** Whether the rollback meets a socket that is gone is a matter of luck, so many sessions end at once, several times. */
const SESSIONS = 8;
const ROUNDS = 4;

test.each([
  ['queries', single],
  ['transactions', several],
])('%s whose sessions PostgreSQL ends fail as unavailable, and the pool goes on', async (_what, sleep) => {
  const name = `ended ${randomUUID()}`;
  const pool = openDatabase(url, { connections: SESSIONS, name });
  onTestFinished(() => pool.close());
  for (const database of [pool, pool.reaching({ shop: MAIN_SHOP })])
    for (let round = 0; round < ROUNDS; round += 1) {
      // postgres.js fails the next query on a connection, too, with what its last session ended with.
      const ready = () =>
        Promise.all(Array.from({ length: SESSIONS }, () => database.run((to) => to.sql`select 1`)));
      await until('the pool to go on', () => ready().catch(() => undefined));
      const sleeping = Promise.all(
        Array.from({ length: SESSIONS }, () => sleep(database).catch((error: unknown) => error)),
      );
      await until('all to sleep', async () => {
        const asleep =
          await sql`select from pg_stat_activity where application_name = ${name} and wait_event = 'PgSleep'`;
        return asleep.length === SESSIONS ? true : undefined;
      });
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${name}`;
      for (const failure of await sleeping) expect(isDatabaseUnavailable(failure)).toBe(true);
    }
});
