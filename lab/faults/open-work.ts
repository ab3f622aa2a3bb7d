/** Orders and workflows that are not finished: counts them, and waits until there are none. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Queryable } from '../../db/postgres.ts';
import { paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW } from '../../workflows/messages.ts';

const POLL_MS = 200;

/** Without those of the schedules, which come and go. */
const RUNNING = `WorkflowType IN ('${WORKFLOW.order}', '${WORKFLOW.refund}', '${WORKFLOW.payment}') AND ExecutionStatus = 'Running'`;

export interface Open {
  orders: number;
  workflows: number;
}

/** @param patienceMs after which it resolves with what is still open. */
export async function settle(
  sql: Queryable,
  client: Client,
  { patienceMs, signal }: { patienceMs: number; signal: AbortSignal },
): Promise<Open> {
  const givenUpAt = Date.now() + patienceMs;
  for (;;) {
    signal.throwIfAborted();
    const open = await countOpen(sql, client);
    if ((open.orders === 0 && open.workflows === 0) || Date.now() > givenUpAt) return open;
    await delay(POLL_MS, undefined, { signal });
  }
}

export async function countOpen(sql: Queryable, client: Client): Promise<Open> {
  const [row] = await sql<{ open: number }[]>`
    select count(*)::integer as open from orders where stage = 'awaiting_payment'
  `;
  return { orders: row?.open ?? 0, workflows: (await listRunning(sql, client)).size };
}

/** The workflows that are not finished, by their ids. That of a payment without money has only to look once more, much later. */
export async function listRunning(sql: Queryable, client: Client): Promise<Set<string>> {
  const running = new Set<string>();
  for await (const { workflowId } of client.workflow.list({ query: RUNNING })) running.add(workflowId);
  const ended = await sql<{ id: string }[]>`select id from payment where state in ('declined', 'voided')`;
  for (const { id } of ended) running.delete(paymentWorkflowId(id));
  return running;
}
