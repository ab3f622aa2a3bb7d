/**
 * A workflow that has ended and is reset to any of its tasks, with or without the commands that came after it: what the
 * database has recorded stays as it is.
 */
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { orderWorkflowId, paymentWorkflowId, readWorkflowId } from '../../domain/workflow-ids.ts';
import { giveUpUpdate } from '../../workflows/messages.ts';
import { ORDER_PATHS } from '../recording/paths.ts';
import { PAYMENT_PATHS } from '../recording/payment-paths.ts';
import { expectRulesHold } from '../support/database.ts';
import { WINDOW, startOrdersToReset } from '../support/orders-to-reset.ts';
import { expectNoMoneyLost, untilSettled } from '../support/payments.ts';
import { plant } from '../support/planted.ts';
import { startReplayer } from '../support/replayer.ts';
import { completedTasks, reset, REAPPLY, type Reapply, type WorkflowTask } from '../support/resets.ts';
import type { TestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startOrdersToReset();
const { shop, client, clock, sql, provider } = system;
const { statusOf, untilEnded, readRecord, readOrder, viewOf, placeOrder, interruptReservation } = system;
const replay = startReplayer({ workflowBundle: { codePath: inject('workflowBundlePath') } });

afterEach(() => expectRulesHold(sql));
afterAll(() => expectNoMoneyLost(sql, provider.settings));

/** The stage of its order, or the state of its payment, that a workflow ended with. One that was cancelled in the Web UI has no result. */
async function endOf(workflowId: string): Promise<string> {
  if ((await statusOf(workflowId)) === 'CANCELLED') return 'cancelled';
  return endSchema.parse(await client.workflow.getHandle(workflowId).result());
}
const endSchema = z.union([
  z.object({ stage: z.string() }).transform(({ stage }) => stage),
  z.object({ state: z.string() }).transform(({ state }) => state),
]);

async function orderIdOf(workflowId: string): Promise<string> {
  const subject = readWorkflowId(workflowId);
  if (subject) return subject.orderId;
  const [payment] = await sql<{ orderId: string }[]>`
    select order_id as "orderId" from payment where ${paymentWorkflowId('')} || id = ${workflowId}
  `;
  if (!payment) throw new Error(`${workflowId} is the workflow of no order, no refund and no payment.`);
  return payment.orderId;
}

/** How a workflow may end once all is recorded. */
async function endsOf(workflowId: string, orderId: string): Promise<readonly string[]> {
  const [payment] = await sql<{ state: string }[]>`
    select state from payment where ${paymentWorkflowId('')} || id = ${workflowId}
  `;
  if (payment) return [payment.state];
  const { stage } = await readOrder(orderId);
  // A refund is a workflow of its own: an order's workflow that is not sent the cancel ends as paid.
  return stage === 'refunded' ? ['refunded', 'paid'] : [stage];
}

/** The number of the event with which the workflow got its last command. */
async function lastCommandTo(workflowId: string): Promise<number> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  const accepted = events?.findLast(
    (event) =>
      event.workflowExecutionUpdateAcceptedEventAttributes ?? event.workflowExecutionSignaledEventAttributes,
  );
  return Number(accepted?.eventId ?? 0);
}

type Path = (system: TestSystem) => Promise<string>;

/** Which keys of its steps the database has of an order. */
async function stepsOf(orderId: string): Promise<readonly string[]> {
  const [row] = await sql<{ keys: string[] }[]>`
    select coalesce(array_agg(concat(step, ' ', command_id)), '{}') as keys from order_step where order_id = ${orderId}
  `;
  return row?.keys ?? [];
}

/** Takes away the keys that a new run has added: for the next reset the database is as the path has left it. */
async function forgetSteps(orderId: string, known: readonly string[]): Promise<void> {
  await plant(
    sql,
    (to) => to`
      delete from order_step where order_id = ${orderId} and not concat(step, ' ', command_id) = any(${known}::text[])
    `,
  );
}

/** No notification of the provider is left that would let a workflow begin again beside a reset. */
const untilHeard = (orderId: string): Promise<true> =>
  until('the notifications to be handled', async () => {
    const rows = await sql`
      select from payment_notification join payment on payment.id::text = reference
      where order_id = ${orderId} and payment_notification.state = 'received'
    `;
    return rows.length === 0;
  });

async function resetChangesNothing(workflowId: string, task: WorkflowTask, reapply: Reapply): Promise<void> {
  const orderId = await orderIdOf(workflowId);
  const before = await readRecord(orderId);
  await reset(client, task, reapply);
  const { deadline, isPutOff } = await readOrder(orderId);
  // A new run that is sent neither payment nor cancel waits for them again, and for as long as a person has put its deadline off.
  await clock.forward(workflowId, isPutOff ? 2 * WINDOW : WINDOW);
  await untilEnded(workflowId);

  const history = await client.workflow.getHandle(workflowId).fetchHistory();
  const begun = history.events?.findLast((event) => event.workflowTaskFailedEventAttributes?.baseRunId);
  expect(begun?.workflowTaskFailedEventAttributes?.baseRunId, 'the run that was reset').toBe(task.runId);
  expect(await readRecord(orderId)).toEqual(before);
  expect(await endOf(workflowId)).toBeOneOf(await endsOf(workflowId, orderId));
  // A run that finds its order over before its deadline does not learn that it was put off.
  if (workflowId === orderWorkflowId(orderId) && !isPutOff)
    expect((await viewOf(workflowId)).deadline).toBe(deadline.toISOString());
  // A history can be replayed where nobody knows that its workflow was reset.
  await replay({ workflowId, history });
}

/** Money by wallet and by provider that is taken, refused, let go of and given back; the workflows of orders and of payments. */
const PAID_IN_PARTS = [
  'paid-in-parts',
  'paid-after-a-capture-was-refused',
  'expired-with-a-live-payment',
  'cancelled-with-live-payments',
  'refunded-in-parts',
  'payment-captured',
  'payment-returned',
];

const ENDED: Readonly<Record<string, Path>> = {
  ...ORDER_PATHS,
  ...Object.fromEntries(Object.entries(PAYMENT_PATHS).filter(([name]) => PAID_IN_PARTS.includes(name))),
  // The recorded versions of these paths search for the only order without an answer; here there are several.
  'cancelled-before-reservation-is-answered': async () => {
    const { id, workflowId, plan, answer } = await interruptReservation('commits late');
    await shop.cancel(id);
    await answer;
    plan.stop();
    await plan.land();
    return workflowId;
  },
  'given-up-while-reservation-fails': async () => {
    const { workflowId, plan, answer } = await interruptReservation('commits but loses its answer');
    const operator = { actor: 'operator', reason: 'test' };
    await client.workflow.getHandle(workflowId).executeUpdate(giveUpUpdate, { args: [operator] });
    await answer;
    plan.stop();
    return workflowId;
  },
  'refunded after it ended': async () => {
    const { id, workflowId } = await placeOrder();
    await shop.pay(id);
    await shop.refund(id, false);
    return workflowId;
  },
};

describe.concurrent('an ended workflow that is reset to any of its tasks', () => {
  test.each(Object.entries(ENDED))(
    'leaves every record of the path %s as it was, whether or not it is sent its commands again',
    async (_name, play) => {
      const workflowId = await play(system);
      await untilEnded(workflowId);
      const orderId = await orderIdOf(workflowId);
      await untilSettled(sql, orderId);
      await untilHeard(orderId);
      await untilEnded(workflowId);
      const steps = await stepsOf(orderId);
      const tasks = await completedTasks(client, workflowId);
      expect(tasks).not.toEqual([]);
      const lastCommand = await lastCommandTo(workflowId);
      // The path is played once: each reset is one of its own run, and none continues what another has begun.
      for (const reapply of REAPPLY) {
        for (const [index, task] of tasks.entries()) {
          // No command came after this task: there is none to send again or not.
          if (reapply === 'is sent no command again' && Number(task.eventId) > lastCommand) continue;
          await resetChangesNothing(workflowId, task, reapply).catch((cause: unknown) => {
            throw new Error(`After a reset to task ${index}, when it ${reapply}: ${String(cause)}`, {
              cause,
            });
          });
          await forgetSteps(orderId, steps);
        }
      }
    },
    90_000,
  );
});
