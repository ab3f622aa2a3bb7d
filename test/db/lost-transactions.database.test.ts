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

test.each([
  ['a query', single],
  ['a transaction', several],
])('%s whose session PostgreSQL ends fails as unavailable, and the pool goes on', async (_what, sleep) => {
  const name = `ended ${randomUUID()}`;
  const pool = openDatabase(url, { connections: 2, name });
  onTestFinished(() => pool.close());
  for (const database of [pool, pool.reaching({ shop: MAIN_SHOP })])
    for (let round = 0; round < 5; round += 1) {
      const sleeping = sleep(database).catch((error: unknown) => error);
      await until('a session to be ended', async () => {
        const ended = await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = ${name} and wait_event = 'PgSleep'
        `;
        return ended.length > 0 ? true : undefined;
      });
      expect(isDatabaseUnavailable(await sleeping)).toBe(true);
      // postgres.js fails the next query, too, with what the last session ended with.
      await until('the pool to go on', () => database.run((to) => to.sql`select 1`).catch(() => undefined));
    }
});
