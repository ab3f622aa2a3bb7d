/** Everything that has to hold when the run is over. */
import type { Client } from '@temporalio/client';
import type { Queryable } from '../db/connection.ts';
import { checkRules } from '../db/invariants.ts';
import { checkDeadlines, checkWorkflowsOfOpenOrders } from '../ops/open-orders.ts';
import type { Violation } from './figures.ts';
import { checkPromises } from './promises.ts';
import type { Recorded } from './recorded.ts';
import type { Open } from './settle.ts';
import type { Ledger } from './story.ts';

export interface Checked {
  sql: Queryable;
  client: Client;
  ledger: Ledger;
  recorded: Recorded;
}

export async function checkAll({ sql, client, ledger, recorded }: Checked): Promise<Violation[]> {
  const reports = [
    ...(await checkRules(sql)).map(({ rule, breaches }) => ({
      rule: `rule ${rule.number}: ${rule.name}`,
      breaches,
    })),
    {
      rule: 'rule 8: every open order has exactly one running workflow, and the other way round',
      breaches: await checkWorkflowsOfOpenOrders(sql, client),
    },
    { rule: 'rule 11: no unpaid order waits past its deadline', breaches: await checkDeadlines(sql) },
  ];
  return [
    ...reports.flatMap(({ rule, breaches }) => breaches.map((breach) => ({ rule, ...breach }))),
    ...checkPromises(ledger, recorded),
    ...(await failedWorkflows(client)),
  ];
}

/** Whatever is still open when patience ended. */
export function stuck(open: Open, patienceMs: number): Violation[] {
  if (open.orders === 0 && open.workflows === 0) return [];
  return [
    {
      rule: `nothing is open ${patienceMs / 1_000} s after the last fault was healed`,
      subject: 'the system',
      finding: `${open.orders} orders are open, and ${open.workflows} workflows run`,
    },
  ];
}

async function failedWorkflows(client: Client): Promise<Violation[]> {
  const found: Violation[] = [];
  const query = `ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')`;
  for await (const { workflowId, status } of client.workflow.list({ query })) {
    found.push({
      rule: 'no workflow fails',
      subject: `workflow ${workflowId}`,
      finding: `ended as ${status.name}`,
    });
  }
  return found;
}
