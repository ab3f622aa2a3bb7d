/** The checker: everything that has to hold when the run is over. */
import type { Client } from '@temporalio/client';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { openDatabase } from '../../db/connection.ts';
import type { Queryable } from '../../db/postgres.ts';
import type { Seen } from '../../db/findings.ts';
import { lookIntoDays } from '../../db/repairs/figures.ts';
import { checkRules } from '../../db/rules/invariants.ts';
import { checkDeadlines, checkWorkflowsOfOpenOrders } from '../../ops/open-orders.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import { TASK_QUEUE } from '../harness/system.ts';
import type { Violation } from './figures.ts';
import { checkHistory } from './history-checker.ts';
import type { History } from './history.ts';
import type { Recorded } from './recorded.ts';
import { findStaleMarks } from './stalled-orders.ts';

export interface CheckedRun {
  sql: Queryable;
  databaseUrl: string;
  client: Client;
  history: History;
  recorded: Recorded;
}

export async function checkRun({
  sql,
  databaseUrl,
  client,
  history,
  recorded,
}: CheckedRun): Promise<Violation[]> {
  const reports = [
    ...(await checkRules(sql)).map(({ rule, breaches }) => ({
      rule: `rule ${rule.number}: ${rule.name}`,
      breaches,
    })),
    {
      rule: 'rule 8: every open order has exactly one running workflow, and every such workflow an open order',
      breaches: await checkWorkflowsOfOpenOrders(sql, orderWorkflowsOf(client, TASK_QUEUE)),
    },
    { rule: 'rule 11: no unpaid order waits past its deadline', breaches: await checkDeadlines(sql) },
    { rule: 'the shop\u2019s figures are what they sum', breaches: await findWrongFigures(databaseUrl) },
  ];
  return [
    ...reports.flatMap(({ rule, breaches }) =>
      breaches.map(({ subject, finding }) => ({ rule, subject, finding })),
    ),
    ...checkHistory(history, recorded),
    ...(await findFailedWorkflows(client)),
    ...(await findStaleMarks(sql, client)),
  ];
}

async function findWrongFigures(url: string): Promise<Seen[]> {
  const database = openDatabase(url, { connections: 1, name: 'holdfast faults' });
  try {
    return await lookIntoDays(database);
  } finally {
    await database.close();
  }
}

async function findFailedWorkflows(client: Client): Promise<Violation[]> {
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
