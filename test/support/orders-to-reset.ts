/** Orders to reset, at rest and with an interrupted step, and what the database and the workflow say of them. */
import { randomUUID } from 'node:crypto';
import { afterAll } from 'vitest';
import { openPostgres } from '../../db/postgres.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { orderQuery } from '../../workflows/messages.ts';
import { always, interruptions, type Interruption, type Plan } from './interruptions.ts';
import { startPayingSystem } from './paying-system.ts';
import { completedTasks } from './resets.ts';
import { until } from './until.ts';

export const WINDOW = 15 * 60_000;
const PATIENCE_MS = 15_000;

/** Call at the top of a file: the orders live in a system of its own. */
export async function startOrdersToReset() {
  const { between, interrupt } = interruptions();
  const started = await startPayingSystem({
    paymentWindow: WINDOW,
    // Some paths wait for the attention mark.
    attentionAfter: 250,
    workerDatabase: between,
  });
  // Paths hold locks while they read, and several run at once: each needs three connections.
  const sql = openPostgres(started.url, { connections: 20 });
  afterAll(() => sql.end());
  const system = { ...started, sql };
  const { shop, client } = system;

  const statusOf = async (workflowId: string) =>
    (await client.workflow.getHandle(workflowId).describe()).status.name;

  /** Resolves when the workflow has ended, in whatever way. */
  async function untilEnded(workflowId: string): Promise<void> {
    const result = () => client.workflow.getHandle(workflowId).result();
    await client.withDeadline(Date.now() + PATIENCE_MS, result).catch(() => {});
    // A notification of the provider lets the workflow of its payment begin again, and soon end.
    await until(`${workflowId} to end`, async () => (await statusOf(workflowId)) !== 'RUNNING');
  }

  /** Every row of an order except the keys of its steps: a new run may add a key with the outcome "had ended already". */
  async function readRecord(orderId: string): Promise<unknown> {
    const [row] = await sql<{ record: unknown }[]>`
      select jsonb_build_object(
        'order', (select to_jsonb(orders) from orders where id = ${orderId}),
        'events', (select jsonb_agg(to_jsonb(order_event) order by version) from order_event where order_id = ${orderId}),
        'reservations', (select jsonb_agg(to_jsonb(reservation) order by sku) from reservation where order_id = ${orderId}),
        'lines', (select jsonb_agg(to_jsonb(order_line) order by sku) from order_line where order_id = ${orderId}),
        'refunds', (select jsonb_agg(to_jsonb(refund) order by version) from refund where order_id = ${orderId}),
        'payments', (
          select jsonb_agg(to_jsonb(payment) - 'updated_at' order by id) from payment where order_id = ${orderId}
        ),
        'paymentEvents', (
          select jsonb_agg(to_jsonb(payment_event) order by payment_id, payment_event.version)
          from payment_event join payment on payment.id = payment_id where order_id = ${orderId}
        ),
        'paymentHolds', (select jsonb_agg(to_jsonb(payment_hold) order by payment_id) from payment_hold where order_id = ${orderId}),
        'paymentRefunds', (select jsonb_agg(to_jsonb(refund_payment) order by command_id, payment_id) from refund_payment where order_id = ${orderId}),
        'hold', (select to_jsonb(hold) from hold where order_id = ${orderId}),
        'transfers', (select jsonb_agg(to_jsonb(transfer) order by id) from transfer where order_id = ${orderId}),
        'returns', (select jsonb_agg(to_jsonb(stock_movement) order by id) from stock_movement where order_id = ${orderId}),
        'skus', (
          select jsonb_agg(to_jsonb(sku) order by sku) from sku where sku in (select sku from order_line where order_id = ${orderId})
        ),
        'wallet', (select to_jsonb(wallet) from wallet where id = (select wallet_id from orders where id = ${orderId}))
      ) as record
    `;
    return row?.record;
  }

  async function readOrder(orderId: string) {
    const [row] = await sql<{ stage: string; deadline: Date; isPutOff: boolean }[]>`
      select
        stage, payment_deadline as deadline,
        exists (select from order_event where order_id = id and from_stage = 'awaiting_payment' and order_event.stage = from_stage) as "isPutOff"
      from orders
      where id = ${orderId}
    `;
    if (!row) throw new Error(`There is no order ${orderId}.`);
    return row;
  }

  /** An order of 2 units at 500 out of 10. */
  async function placeOrder({ funds = 5_000, paymentMode = 'debit' } = {}) {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
    const id = await shop.placed(wallet, sku, 2, { paymentMode });
    return { sku, wallet, id, workflowId: orderWorkflowId(id) };
  }

  /** The task that a reset goes back to. */
  async function taskOf(workflowId: string, index: number) {
    const task = (await completedTasks(client, workflowId))[index];
    if (!task) throw new Error(`${workflowId} has no task ${index}.`);
    return task;
  }

  const viewOf = (workflowId: string) => client.workflow.getHandle(workflowId).query(orderQuery);

  /** An order whose reservation is interrupted until its plan is stopped. */
  async function interruptReservation(interruption: Interruption) {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const key = randomUUID();
    const send = () => shop.order(wallet, [{ sku, quantity: 2 }], {}, { key });
    const plan = interrupt('reserve', wallet, always(interruption));
    const answer = send();
    await untilFallback(plan);
    const [row] = await sql<
      { id: string }[]
    >`select command_id as id from idempotency_key where key = ${key}`;
    if (!row) throw new Error('The order has no id.');
    return { id: row.id, workflowId: orderWorkflowId(row.id), sku, wallet, plan, answer, send };
  }

  return {
    ...system,
    interrupt,
    statusOf,
    untilEnded,
    readRecord,
    readOrder,
    placeOrder,
    taskOf,
    viewOf,
    interruptReservation,
  };
}

export const untilFallback = (plan: Plan) => until('the fallback', async () => plan.happened() >= 2);
