/** Orders that stay open although every fault is healed, and attention marks that outlive their cause. */
import type { Client } from '@temporalio/client';
import type { Queryable } from '../../db/postgres.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import type { Violation } from './figures.ts';
import { listRunning } from './open-work.ts';

interface Mark {
  workflowId: string;
  orderId: string;
  reason: string;
  step: string;
  raisedAt: Date;
}

/** Finds each order and each workflow that is still open: by now none of them should need a person. */
export async function findStalled(sql: Queryable, client: Client, patienceMs: number): Promise<Violation[]> {
  const rule = `nothing is open ${patienceMs / 1_000} s after the last fault was healed`;
  const marks = await readOpenMarks(sql);
  const running = await listRunning(sql, client);
  const open = await sql<{ id: string; deadline: Date }[]>`
    select id, payment_deadline as deadline from orders where stage = 'awaiting_payment'
  `;
  const orders = open.map(({ id, deadline }): Violation => {
    const mark = marks.find(({ orderId }) => orderId === id);
    const workflow = running.has(orderWorkflowId(id)) ? 'its workflow runs' : 'its workflow does not run';
    const finding = `awaits payment until ${deadline.toISOString()}, ${workflow}, and it has ${describeMark(mark)}`;
    return { rule, subject: `order ${id}`, finding };
  });
  const ids = new Set(open.map(({ id }) => orderWorkflowId(id)));
  const others = [...running].filter((workflowId) => !ids.has(workflowId));
  const workflows = others.map((workflowId): Violation => {
    const mark = marks.find((one) => one.workflowId === workflowId);
    const finding = `runs although its order awaits no payment, and it has ${describeMark(mark)}`;
    return { rule, subject: `workflow ${workflowId}`, finding };
  });
  return [...orders, ...workflows];
}

/** Finds marks that were not cleared although their workflow has ended: they call a person for nothing. */
export async function findStaleMarks(sql: Queryable, client: Client): Promise<Violation[]> {
  const running = await listRunning(sql, client);
  return (await readOpenMarks(sql))
    .filter(({ workflowId }) => !running.has(workflowId))
    .map((mark) => ({
      rule: 'an attention mark is cleared when its order goes on',
      subject: `order ${mark.orderId}`,
      finding: `has ${describeMark(mark)}, and ${mark.workflowId} has ended`,
    }));
}

const describeMark = (mark: Mark | undefined): string =>
  mark === undefined
    ? 'no attention mark'
    : `the attention mark ${mark.reason} (${mark.step}) since ${mark.raisedAt.toISOString()}`;

function readOpenMarks(sql: Queryable): PromiseLike<Mark[]> {
  return sql<Mark[]>`
    select workflow_id as "workflowId", order_id as "orderId", reason, step, raised_at as "raisedAt"
    from attention
    where cleared_at is null
  `;
}
