/** Brings payments to rest once everything is up: what pauses is due, and what the provider has to say arrives. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Queryable } from '../../db/postgres.ts';
import { WORKFLOW, newsSignal } from '../../workflows/messages.ts';
import type { LabProvider } from '../harness/provider.ts';

const POLL_MS = 500;

/** A payment whose provider failed several times pauses for longer than a run. */
export async function wakePausingPayments(client: Client): Promise<void> {
  const query = `WorkflowType = '${WORKFLOW.payment}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query }))
    // It may have ended since.
    await client.workflow
      .getHandle(workflowId)
      .signal(newsSignal)
      .catch(() => {});
}

/**
 * Waits until the provider has sent every notification, and each was acted on.
 * @param patienceMs after which it resolves all the same: the checker says what is missing.
 */
export async function untilAllNotified(
  sql: Queryable,
  provider: LabProvider,
  { patienceMs, signal }: { patienceMs: number; signal: AbortSignal },
): Promise<void> {
  const givenUpAt = Date.now() + patienceMs;
  while (Date.now() < givenUpAt) {
    const { waiting } = await provider.readBook();
    const [row] = await sql<{ waiting: number }[]>`
      select count(*)::integer as waiting from payment_notification where state in ('received', 'unmatched')
    `;
    if (waiting + (row?.waiting ?? 0) === 0) return;
    await delay(POLL_MS, undefined, { signal });
  }
}
