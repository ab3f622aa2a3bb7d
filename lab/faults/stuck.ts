/** What stays open although everything was healed, and whether anybody was told. */
import type { Client } from '@temporalio/client';
import type { Queryable } from '../../db/postgres.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import type { Violation } from './figures.ts';
import { RUNNING } from './settle.ts';

interface Mark {
  workflowId: string;
  orderId: string;
  reason: string;
  step: string;
  raisedAt: Date;
}

/** Each order and each workflow that is open when patience has ended: nothing should need a person by then. */
export async function stuck(sql: Queryable, client: Client, patienceMs: number): Promise<Violation[]> {
  const rule = `nothing is open ${patienceMs / 1_000} s after the last fault was healed`;
  const marks = await openMarks(sql);
  const running = await runningWorkflows(client);
  const open = await sql<{ id: string; deadline: Date }[]>`
    select id, payment_deadline as deadline from orders where stage = 'awaiting_payment'
  `;
  const ofOrders = open.map(({ id, deadline }): Violation => {
    const mark = marks.find(({ orderId }) => orderId === id);
    const workflow = running.has(orderWorkflowId(id)) ? 'its workflow runs' : 'no workflow of it runs';
    const finding = `awaits payment until ${deadline.toISOString()}, ${workflow}, and it has ${inWords(mark)}`;
    return { rule, subject: `order ${id}`, finding };
  });
  const ids = new Set(open.map(({ id }) => orderWorkflowId(id)));
  const others = [...running].filter((workflowId) => !ids.has(workflowId));
  const ofWorkflows = others.map((workflowId): Violation => {
    const mark = marks.find((one) => one.workflowId === workflowId);
    return {
      rule,
      subject: `workflow ${workflowId}`,
      finding: `runs though no order awaits payment by it, and it has ${inWords(mark)}`,
    };
  });
  return [...ofOrders, ...ofWorkflows];
}

/** Marks that were not cleared though the workflow that raised them has ended: they call a person to nothing. */
export async function staleMarks(sql: Queryable, client: Client): Promise<Violation[]> {
  const running = await runningWorkflows(client);
  return (await openMarks(sql))
    .filter(({ workflowId }) => !running.has(workflowId))
    .map((mark) => ({
      rule: 'an attention mark is cleared when its order goes on',
      subject: `order ${mark.orderId}`,
      finding: `has ${inWords(mark)}, and ${mark.workflowId} has ended`,
    }));
}

const inWords = (mark: Mark | undefined): string =>
  mark === undefined
    ? 'no attention mark'
    : `the attention mark ${mark.reason} (${mark.step}) since ${mark.raisedAt.toISOString()}`;

function openMarks(sql: Queryable): PromiseLike<Mark[]> {
  return sql<Mark[]>`
    select workflow_id as "workflowId", order_id as "orderId", reason, step, raised_at as "raisedAt"
    from attention
    where cleared_at is null
  `;
}

async function runningWorkflows(client: Client): Promise<Set<string>> {
  const running = new Set<string>();
  for await (const { workflowId } of client.workflow.list({ query: RUNNING })) running.add(workflowId);
  return running;
}
