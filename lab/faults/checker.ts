/** The checker: everything that must hold when the run is over. */
import type { Client } from '@temporalio/client';
import { checkEveryRule } from '../../activities/reconciliation/check.ts';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { openDatabase, type LongDatabase } from '../../db/connection.ts';
import type { BookedPayment } from '../harness/provider.ts';
import type { Queryable } from '../../db/postgres.ts';
import { compareAllDays } from '../../db/repairs/figures.ts';
import { TASK_QUEUE } from '../harness/system.ts';
import { checkBook, checkRemains } from './book-checker.ts';
import { findFailedWorkflows } from './failed-workflows.ts';
import type { Violation } from './figures.ts';
import { checkHistory } from './history-checker.ts';
import type { History } from './history.ts';
import { readPaymentRemains } from './recorded-payments.ts';
import type { Recorded } from './recorded.ts';
import { findStaleMarks } from './stalled-orders.ts';

export interface CheckedRun {
  sql: Queryable;
  databaseUrl: string;
  client: Client;
  history: History;
  recorded: Recorded;
  book: readonly BookedPayment[];
}

export async function checkRun({
  sql,
  databaseUrl,
  client,
  history,
  recorded,
  book,
}: CheckedRun): Promise<Violation[]> {
  return [
    ...(await withDatabase(databaseUrl, (database) => findBrokenRules(database, client))),
    ...checkHistory(history, recorded),
    ...checkBook([...recorded.payments.values()].flat(), book),
    ...checkRemains(await readPaymentRemains(sql)),
    ...(await findFailedWorkflows(client)),
    ...(await findStaleMarks(sql, client)),
  ];
}

async function findBrokenRules(database: LongDatabase, client: Client): Promise<Violation[]> {
  const reports = await checkEveryRule(database, orderWorkflowsOf(client, TASK_QUEUE));
  const figures = await compareAllDays(database);
  return [
    ...reports.flatMap(({ rule, breaches }) =>
      breaches.map((breach) => ({ rule: `rule ${rule.number}: ${rule.name}`, ...breach })),
    ),
    ...figures.map(({ subject, finding }) => ({
      rule: 'the shop\u2019s figures are what they sum',
      subject,
      finding,
    })),
  ];
}

async function withDatabase<T>(url: string, work: (database: LongDatabase) => Promise<T>): Promise<T> {
  const database = openDatabase(url, { connections: 1, name: 'holdfast faults' });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
