/**
 * The name of a test file says which servers its tests need:
 *
 *   *.unit.test.ts        none: they fail when they open a connection
 *   *.database.test.ts    PostgreSQL
 *   any other *.test.ts   PostgreSQL, Temporal and the compiled workflows
 */
import { defineConfig } from 'vitest/config';

const UNIT = 'test/**/*.unit.test.ts';
const DATABASE = 'test/**/*.database.test.ts';

/** What every test has in common. */
export const shared = {
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    reporters: ['default', './test/support/count-reporter.ts'],
    // The servers under test need the second core.
    maxWorkers: 2,
    projects: [
      { test: { ...shared, name: 'unit', include: [UNIT], setupFiles: ['test/support/no-connections.ts'] } },
      {
        test: {
          ...shared,
          name: 'database',
          include: [DATABASE],
          globalSetup: ['test/support/database-server.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: [UNIT, DATABASE],
          globalSetup: ['test/support/servers.ts'],
        },
      },
    ],
  },
});
