/**
 * Decides the outcome of a command from what the database recorded, whatever the order's workflow says: after a crash or a reset, a
 * new run may take commands in another order and knows nothing of what an earlier run did.
 */
import type { CommandOutcome } from '../../client/orders.ts';
import type { Database } from '../../db/connection.ts';
import { findOrder, isRecorded, listWithoutEvents, type Order } from '../../db/orders.ts';
import { ORDER_TOO_OLD, type RefusalReason } from '../../domain/order.ts';
import type { RestingStage } from '../../domain/stages.ts';
import { Problem } from '../problems/problem.ts';
import { PROBLEMS, type ProblemCode } from '../problems/table.ts';
import { describeStage } from './refusals.ts';
import { requireOrder } from './require-order.ts';

/** A caller's command, and what decides whether it can still take effect. */
export interface Command {
  orderId: string;
  commandId: string;
  /** The stages in which the command can still take effect. */
  openStages: readonly RestingStage[];
  /** The refusal in a stage that has no more specific one. */
  refusal: ProblemCode;
  /** Why an order in an open stage refuses the command for good, if it does. */
  explain?: (order: Order) => Promise<Problem | undefined>;
}

/**
 * Returns the order if the command took effect, and undefined while it still may. Runs before every answer that is kept.
 * @throws {Problem} the refusal, if the command had no effect and never will.
 */
export async function findVerdict(database: Database, command: Command): Promise<Order | undefined> {
  const { orderId, commandId, openStages, explain } = command;
  const order = await findOrder(database, orderId);
  // No command has moved an order that still awaits its payment.
  if (!order || (order.stage === 'awaiting_payment' && openStages.includes(order.stage))) return undefined;
  // Read after the order, so that the record of whatever moved the order to this stage is visible.
  if (await isRecorded(database, orderId, commandId))
    // The order may still be in an open stage: after a refund in part, or as the command took effect between the two reads.
    return openStages.includes(order.stage) ? requireOrder(database, orderId) : order;
  if (!openStages.includes(order.stage))
    throw new Problem(chooseRefusal(order.stage, command.refusal), describeStage(order));
  const refused = await explain?.(order);
  if (refused) throw refused;
  if ((await listWithoutEvents(database, [orderId])).length > 0)
    throw new Problem(
      ORDER_TOO_OLD,
      `The order is paid, and its events are no longer kept: it was placed on ${order.createdAt.toISOString().slice(0, 10)}.`,
    );
  return undefined;
}

/** The refusal of a command by an order that is over. */
export function chooseRefusal(stage: RestingStage, otherwise: ProblemCode): ProblemCode {
  if (otherwise === 'order_not_refundable') return otherwise;
  if (stage === 'expired') return 'order_expired';
  return stage === 'cancelled' ? 'order_cancelled' : otherwise;
}

/**
 * Passes on a refusal that needs no verdict.
 * @throws {Problem} when the command itself is malformed, or the same command may succeed later.
 */
export function throwImmediateRefusal(outcome: CommandOutcome): void {
  if (outcome.outcome === 'malformed') throw new Problem('validation_failed', outcome.detail);
  if (outcome.outcome !== 'refused') return;
  const problem = toRefusalProblem(outcome);
  if (problem.kind.isFinal === false) throw problem;
}

/** The problem of a refusal by the order's workflow. */
export const toRefusalProblem = ({ reason, detail }: { reason: RefusalReason; detail?: string }): Problem =>
  new Problem(reason, detail ?? PROBLEMS[reason].title);

/** @throws {Problem} always: the command is neither known to have taken effect nor known to be impossible. */
export async function throwUndecided(
  database: Database,
  orderId: string,
  outcome: CommandOutcome | undefined,
): Promise<never> {
  if (outcome?.outcome !== 'ended') throw new Problem('unavailable', 'The order is being closed right now.');
  await requireOrder(database, orderId);
  // Somebody terminated the workflow. The same command succeeds once the workflow runs again.
  throw new Problem('unavailable', 'The workflow of this order was stopped. Reconciliation starts it again.');
}
