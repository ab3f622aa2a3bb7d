/** Everything that has to hold when the run is over. */
import type { Client } from '@temporalio/client';
import { openDatabase, type Database, type Queryable } from '../../db/connection.ts';
import { checkEveryRule } from '../../activities/reconciliation/check.ts';
import { compareAllDays } from '../../db/repairs/figures.ts';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import type { Violation } from './figures.ts';
import { checkPromises } from './promises.ts';
import type { Recorded } from './recorded.ts';
import type { Ledger } from './story.ts';
import { staleMarks } from './stuck.ts';
import { TASK_QUEUE } from './system.ts';

export interface Checked {
  sql: Queryable;
  databaseUrl: string;
  client: Client;
  ledger: Ledger;
  recorded: Recorded;
}

export async function checkAll({
  sql,
  databaseUrl,
  client,
  ledger,
  recorded,
}: Checked): Promise<Violation[]> {
  return [
    ...(await withDatabase(databaseUrl, (database) => brokenRules(database, client))),
    ...checkPromises(ledger, recorded),
    ...(await failedWorkflows(client)),
    ...(await staleMarks(sql, client)),
  ];
}

async function brokenRules(database: Database, client: Client): Promise<Violation[]> {
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

async function withDatabase<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(url, { connections: 1, name: 'holdfast faults' });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

async function failedWorkflows(client: Client): Promise<Violation[]> {
  const found: Violation[] = [];
  // A minute that could not be measured is meant to show as failed.
  const query = `ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut') AND WorkflowType != '${WORKFLOW.monitor}'`;
  for await (const { workflowId, status } of client.workflow.list({ query })) {
    found.push({
      rule: 'no workflow fails',
      subject: `workflow ${workflowId}`,
      finding: `ended as ${status.name}`,
    });
  }
  return found;
}
