/** Carries out what a person does about an order: sends it to the workflow in which something is wrong. */
import type { Act, ActOutcome } from '../../client/orders.ts';
import { findOpenMarks, listInterventions } from '../../db/attention.ts';
import type { Database } from '../../db/connection.ts';
import { findOrder, type Order } from '../../db/orders.ts';
import { findPayment } from '../../db/payments/payments.ts';
import type { Intervention } from '../../domain/attention.ts';
import type { Step } from '../../domain/order.ts';
import { orderWorkflowId, readPaymentId, readWorkflowId } from '../../domain/workflow-ids.ts';
import type { CommandServers } from '../dependencies.ts';
import { describeStage } from '../orders/refusals.ts';
import { requireReachable } from '../orders/require-order.ts';
import { Problem } from '../problems/problem.ts';
import type { Intervened } from '../schemas/interventions.ts';
import { toActProblem } from './refusals.ts';

/** What a caller asks for. */
export type AskedAct = Intervention &
  (
    | { action: 'retry_now'; workflowId?: string | undefined }
    | { action: 'skip_step'; step: Step; workflowId?: string | undefined }
    | { action: 'give_up' }
    | { action: 'extend_deadline'; extendBySeconds: number }
  );

/**
 * Acts on an order, on one of its refunds or on one of its payments, and returns where the order is then.
 * @param commandId the same at every retry: then it acts once, and is recorded once.
 * @throws {Problem} when the act would break a rule, or there is nothing to act on.
 */
export async function intervene(
  servers: CommandServers,
  orderId: string,
  commandId: string,
  asked: AskedAct,
): Promise<Intervened> {
  const { temporal, database } = servers;
  const { action } = asked;
  const order = await findOrder(database, orderId);
  const workflowId = await chooseWorkflow(servers, orderId, order, asked);
  const outcome = await temporal.act(workflowId, commandId, toAct(order, asked));
  switch (outcome.outcome) {
    case 'refused':
      throw toActProblem(outcome);
    case 'ended':
      return (
        (await findRecorded(database, orderId, commandId)) ??
        explainEnd(await findOrder(database, orderId), workflowId, asked)
      );
    case 'done':
      return toIntervened(action, outcome);
  }
}

/** The workflow that the caller names, or else the one of the oldest mark. Only the order itself is given up, or has a deadline. */
async function chooseWorkflow(
  servers: CommandServers,
  orderId: string,
  order: Order | undefined,
  asked: AskedAct,
): Promise<string> {
  const { database } = servers;
  // An order whose reservation fails is not recorded, and its mark says whose it is.
  const mark = (await findOpenMarks(database, [orderId])).get(orderId);
  if (!order && !mark) await requireReachable(servers, orderId);
  if (asked.action === 'give_up' || asked.action === 'extend_deadline') return orderWorkflowId(orderId);
  const named = asked.workflowId;
  if (named === undefined) return mark?.workflowId ?? orderWorkflowId(orderId);
  if (await isOfOrder(database, orderId, named)) return named;
  throw new Problem('not_found', `The order ${orderId} has no workflow ${named}.`);
}

async function isOfOrder(database: Database, orderId: string, workflowId: string): Promise<boolean> {
  const paymentId = readPaymentId(workflowId);
  if (paymentId === undefined) return readWorkflowId(workflowId)?.orderId === orderId;
  return (await findPayment(database, paymentId))?.orderId === orderId;
}

function toAct(order: Order | undefined, asked: AskedAct): Act {
  const { actor, reason } = asked;
  const signed = { actor, reason };
  switch (asked.action) {
    case 'retry_now':
    case 'give_up':
      return { action: asked.action, ...signed };
    case 'skip_step':
      return { action: asked.action, ...signed, step: asked.step };
    case 'extend_deadline': {
      if (!order) throw new Problem('deadline_not_extendable', 'The order is not reserved yet.');
      const until = new Date(order.paymentDeadline.getTime() + asked.extendBySeconds * 1_000);
      return { action: asked.action, ...signed, until: until.toISOString() };
    }
  }
}

/** What an earlier attempt did whose answer was lost with its workflow. */
async function findRecorded(
  database: Database,
  orderId: string,
  commandId: string,
): Promise<Intervened | undefined> {
  const recorded = (await listInterventions(database, orderId)).find(
    ({ updateId }) => updateId === commandId,
  );
  const order = recorded && (await findOrder(database, orderId));
  if (!recorded || !order) return undefined;
  const { action, step } = recorded;
  return { action, stage: order.stage, ...(step !== null && { step }) };
}

function explainEnd(order: Order | undefined, workflowId: string, { action }: AskedAct): never {
  const isOrders = order !== undefined && workflowId === orderWorkflowId(order.id);
  // Somebody terminated it. The same act may succeed once it runs again.
  if (isOrders && order.stage === 'awaiting_payment')
    throw new Problem(
      'unavailable',
      'The workflow of this order was stopped. Reconciliation starts it again.',
    );
  if (action === 'give_up' || action === 'extend_deadline')
    throw new Problem('order_not_open', order ? describeStage(order) : 'The order was never placed.');
  throw new Problem('nothing_failing', `The workflow ${workflowId} has ended.`);
}

const toIntervened = (
  action: AskedAct['action'],
  { stage, step, deadline }: Extract<ActOutcome, { outcome: 'done' }>,
): Intervened => ({
  action,
  stage,
  ...(step !== null && { step }),
  ...(deadline !== undefined && { paymentDeadline: deadline }),
});
