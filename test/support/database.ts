/** Gives each test file a database of its own, copied from a migrated template within milliseconds. */
import { randomUUID } from 'node:crypto';
import { afterAll, expect, inject } from 'vitest';
import { checkEveryRule } from '../../activities/reconciliation/check.ts';
import { openDatabase, type DatabasePool, type LongDatabase } from '../../db/connection.ts';
import { openPostgres, type Sql } from '../../db/postgres.ts';
import { HOLDFAST } from '../../domain/audit.ts';
import { checkRules, type Breach, type Rule } from '../../db/rules/rules.ts';
import type { OrderWorkflows } from '../../domain/order-workflows.ts';
import { TEMPLATE } from './template.ts';

export interface TestDatabase {
  url: string;
  /** As the worker and the API use it. */
  database: DatabasePool;
  /** For inspecting and for planting damage: no deadlines. */
  sql: Sql;
}

/** Call at the top of a file or a `describe`; dropped when it ends. */
export async function freshDatabase(): Promise<TestDatabase> {
  const server = inject('databaseUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const admin = openPostgres(server, { connections: 1 });
  await admin`create database ${admin(name)} template ${admin(TEMPLATE)}`;

  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  const database = openDatabase(url, { connections: 20, name: 'test', actor: HOLDFAST });
  const sql = openPostgres(url, { connections: 4 });
  afterAll(async () => {
    await Promise.all([database.close(), sql.end({ timeout: 1 })]);
    await admin`drop database ${admin(name)} with (force)`;
    await admin.end();
  });
  return { url, database, sql };
}

/** Fails, and lists every breach of every rule in its message. @param rules all that tables prove, unless given. */
export async function expectRulesHold(sql: Sql, rules?: readonly Rule[]): Promise<void> {
  const reports = await checkRules(sql, rules);
  const found = reports.flatMap(({ rule, breaches }) =>
    breaches.map(({ subject, finding }) => `rule ${rule.number} (${rule.name}): ${subject}: ${finding}`),
  );
  expect(found).toEqual([]);
}

/** What breaks rule 8: orders and workflows that do not belong together. */
export async function breachesOfWorkflows(
  database: LongDatabase,
  workflows: OrderWorkflows,
): Promise<readonly Breach[]> {
  const reports = await checkEveryRule(database, workflows);
  return reports.flatMap(({ rule, breaches }) => (rule.number === 8 ? breaches : []));
}
