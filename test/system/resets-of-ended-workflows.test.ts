/**
 * A workflow that has ended and is reset to any of its tasks, with or without the commands that came after it: what the
 * database has recorded stays as it is.
 */
import { afterEach, describe, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { giveUpUpdate } from '../../workflows/messages.ts';
import { ORDER_PATHS } from '../recording/paths.ts';
import { expectRulesHold } from '../support/database.ts';
import { WINDOW, startOrdersToReset } from '../support/orders-to-reset.ts';
import { startReplayer } from '../support/replayer.ts';
import { completedTasks, reset, REAPPLY, type Reapply } from '../support/resets.ts';
import type { TestSystem } from '../support/system.ts';

const system = await startOrdersToReset();
const { shop, client, clock, sql } = system;
const { statusOf, untilEnded, readRecord, readOrder, viewOf, placeOrder, interruptReservation } = system;
const replay = startReplayer({ workflowBundle: { codePath: inject('workflowBundlePath') } });

afterEach(() => expectRulesHold(sql));

/** The stage that a workflow ended with. One that was cancelled in the Web UI has no result. */
async function endOf(workflowId: string): Promise<string> {
  if ((await statusOf(workflowId)) === 'CANCELLED') return 'cancelled';
  return endSchema.parse(await client.workflow.getHandle(workflowId).result()).stage;
}
const endSchema = z.object({ stage: z.string() });

type Path = (system: TestSystem) => Promise<string>;

/** Resolves with the number of tasks that this path can be reset to. */
async function resetChangesNothing(play: Path, index: number, reapply: Reapply): Promise<number> {
  const workflowId = await play(system);
  await untilEnded(workflowId);
  const orderId = workflowId.replace(/^(order|refund)-/, '');
  const before = await readRecord(orderId);

  const tasks = await completedTasks(client, workflowId);
  const task = tasks[index];
  // Two events at the same moment make one task or two.
  if (!task) return tasks.length;
  await reset(client, task, reapply);
  // A new run that is sent neither payment nor cancel waits for them again.
  await clock.forward(workflowId, WINDOW);
  await untilEnded(workflowId);

  expect(await readRecord(orderId)).toEqual(before);
  const { stage, deadline } = await readOrder(orderId);
  // A refund is a workflow of its own: an order's workflow that is not sent the cancel ends as paid.
  expect(await endOf(workflowId)).toBeOneOf(stage === 'refunded' ? ['refunded', 'paid'] : [stage]);
  if (workflowId === orderWorkflowId(orderId))
    expect((await viewOf(workflowId)).deadline).toBe(deadline.toISOString());
  // A history can be replayed where nobody knows that its workflow was reset.
  await replay({ workflowId, history: await client.workflow.getHandle(workflowId).fetchHistory() });
  return tasks.length;
}

const ENDED: Readonly<Record<string, Path>> = {
  ...ORDER_PATHS,
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

describe.concurrent.each(REAPPLY)(
  'an ended workflow that %s after a reset to any of its tasks',
  (reapply) => {
    test.each(Object.entries(ENDED))(
      'leaves every record of the path %s as it was',
      async (_name, play) => {
        // A new order each time, so that each reset is the first of its order.
        for (let index = 0, count = 1; index < count; index += 1)
          count = await resetChangesNothing(play, index, reapply);
      },
      90_000,
    );
  },
);
