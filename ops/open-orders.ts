/** Rules 8 and 11: what the database calls open against what runs in Temporal. */
import type { OrderWorkflows } from '../domain/order-workflows.ts';
import type { Queryable } from '../db/postgres.ts';
import type { Breach } from '../db/rules/invariants.ts';
import { orderWorkflowId } from '../domain/workflow-ids.ts';
import type { RestingStage } from '../domain/stages.ts';

/**
 * How long an order and its workflow may disagree: the one is written a moment before the other, a listing of workflows
 * lags, and a timer fires late when a worker was away.
 */
const GRACE_MS = 60_000;

/**
 * Rule 8: every open order has a running workflow, every running workflow that is past its reservation has an open order, and
 * every refund that was promised has a workflow that carries it out.
 */
export async function checkWorkflowsOfOpenOrders(
  sql: Queryable,
  workflows: OrderWorkflows,
): Promise<Breach[]> {
  // Listed before the orders are read: an order that opens in between is then at worst looked at once more.
  const running = await runningOrders(workflows);
  const open = await sql<{ id: string }[]>`select id from orders where stage = 'awaiting_payment'`;
  const openIds = new Set(open.map(({ id }) => id));

  const breaches: Breach[] = [];
  for (const { id } of open) {
    if (running.has(id) || (await workflows.isRunning(id)) || !(await isIn(sql, id, 'awaiting_payment')))
      continue;
    breaches.push({
      subject: `order ${id}`,
      finding: 'awaits payment, but no workflow runs that would expire it',
    });
  }
  for (const [id, startedAt] of running) {
    if (openIds.has(id) || Date.now() - startedAt < GRACE_MS) continue;
    const finding = await whyRunningWithoutOpenOrder(sql, workflows, id);
    if (finding !== undefined && (await workflows.isRunning(id)))
      breaches.push({ subject: `order ${id}`, finding });
  }
  return [...breaches, ...(await lostRefunds(sql, workflows))];
}

/** Refunds that a workflow was asked for which then failed, timed out or was terminated. */
async function lostRefunds(sql: Queryable, workflows: OrderWorkflows): Promise<Breach[]> {
  const breaches: Breach[] = [];
  for (let after: string | null = null; ;) {
    const { orderIds, next } = await workflows.listBroken(after);
    for (const id of orderIds) {
      if (!(await isIn(sql, id, 'paid'))) continue;
      const lost = await workflows.findLostRefund(id);
      // An attempt that was under way when its workflow ended may have committed since.
      if (lost && (await isIn(sql, id, 'paid')))
        breaches.push({ subject: `order ${id}`, finding: lost.finding });
    }
    if (next === null) return breaches;
    after = next;
  }
}

/** Rule 11: no order waits past its deadline. */
export async function checkDeadlines(sql: Queryable): Promise<Breach[]> {
  const overdue = await sql<{ id: string; deadline: string }[]>`
    select id, to_char(payment_deadline at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as deadline
    from orders
    where stage = 'awaiting_payment' and payment_deadline < ${new Date(Date.now() - GRACE_MS).toISOString()}
    order by payment_deadline
  `;
  return overdue.map(({ id, deadline }) => ({
    subject: `order ${id}`,
    finding: `still awaits payment, and was to be paid by ${deadline} UTC`,
  }));
}

/** When each began, in milliseconds. */
async function runningOrders(workflows: OrderWorkflows): Promise<Map<string, number>> {
  const running = new Map<string, number>();
  for (let after: string | null = null; ;) {
    const { orders, next } = await workflows.listRunning(after);
    for (const { orderId, startedAt } of orders) running.set(orderId, startedAt.getTime());
    if (next === null) return running;
    after = next;
  }
}

async function isIn(sql: Queryable, orderId: string, stage: RestingStage): Promise<boolean> {
  const rows = await sql`select from orders where id = ${orderId} and stage = ${stage}`;
  return rows.length > 0;
}

async function whyRunningWithoutOpenOrder(
  sql: Queryable,
  workflows: OrderWorkflows,
  orderId: string,
): Promise<string | undefined> {
  const [order] = await sql<{ stage: string; updatedAt: Date; isMarked: boolean }[]>`
    select
      stage,
      updated_at as "updatedAt",
      exists (
        select from attention where workflow_id = ${orderWorkflowId(orderId)} and cleared_at is null
      ) as "isMarked"
    from orders
    where id = ${orderId}
  `;
  if (!order)
    return (await workflows.isPastReservation(orderId))
      ? 'its workflow runs, but the order is not in the database'
      : undefined;
  if (Date.now() - order.updatedAt.getTime() < GRACE_MS) return undefined;
  // One that is cancelled while it is paid may wait with its refund for room in the wallet, and says so.
  return order.stage === 'awaiting_payment' || order.isMarked
    ? undefined
    : `its workflow still runs, but the order is ${order.stage}`;
}
