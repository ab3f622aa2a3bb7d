/**
 * The name of a test file says which servers its tests need:
 *
 *   *.unit.test.ts        none: they fail when they open a connection
 *   *.database.test.ts    PostgreSQL
 *   any other *.test.ts   PostgreSQL, Temporal and the compiled workflows
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

// Some 150 processes are started by a run: test files, APIs, workers, commands. With these two, each loads in half the time.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/node', import.meta.url));
process.env['NODE_OPTIONS'] = [
  process.env['NODE_OPTIONS'],
  `--import=${new URL('test/support/quick-drizzle.mjs', import.meta.url).href}`,
].join(' ');

const UNIT = 'test/**/*.unit.test.ts';
const DATABASE = 'test/**/*.database.test.ts';
/** Bursts that take all of the machine: beside others they would measure these, and not the guarantee. */
const ALONE = ['test/system/flash-sale.test.ts'];

/** What every test has in common. */
export const shared = {
  pool: 'forks',
  // A process loads the product's code once, for many files: every file opens what it needs, and closes it.
  isolate: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    reporters: ['default', './test/support/count-reporter.ts'],
    // On two cores: half of its time a test waits, for servers, locks and deadlines. More would starve each other.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
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
          exclude: [UNIT, DATABASE, ...ALONE],
          globalSetup: ['test/support/servers.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'alone',
          include: ALONE,
          globalSetup: ['test/support/servers.ts'],
          // After all others.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
