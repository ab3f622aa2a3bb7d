/** A process that cannot work on its database ends at once and says what to do, instead of failing at every statement. */
import { randomUUID } from 'node:crypto';
import { inject, test } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import { startScript } from '../support/server-process.ts';

const { url, sql } = await freshDatabase();
await sql`delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)`;

test.concurrent.for<[string, string, string[]]>([
  ['an API', 'api/main.ts', []],
  ['a worker', 'worker/main.ts', []],
  ['a command', 'ops/keys.ts', ['list']],
])(
  '%s on a database that lacks a migration ends and says to migrate',
  async ([_, script, args], { expect, onTestFinished }) => {
    const started = startScript(
      script,
      {
        DATABASE_URL: url,
        TEMPORAL_ADDRESS: inject('temporalAddress'),
        TASK_QUEUE: `unprepared-${randomUUID()}`,
        PORT: '0',
      },
      { args, atEnd: onTestFinished },
    );
    expect(await started.ended, started.output()).toBe(1);
    expect(started.output()).toContain(
      'The database of DATABASE_URL was not migrated (it lacks migrations of this release): run `npm run migrate` first.',
    );
  },
);
