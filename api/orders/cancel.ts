/** Cancels an order: sends the cancel to its workflow, or refunds an order that is already paid. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CancelCommand, CommandOutcome } from '../../client/orders.ts';
import type { Database } from '../../db/connection.ts';
import { findOrder, type Order } from '../../db/orders.ts';
import type { RefusalReason } from '../../domain/order.ts';
import { mayCall } from '../access/operations.ts';
import type { CommandServers, Dependencies } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import { refundPaid, refundPending, type Asked } from './refund.ts';
import { describeStage } from './refusals.ts';
import { requireReachable } from './require-order.ts';
import { findVerdict, throwImmediateRefusal, throwUndecided, type Command } from './verdict.ts';

/**
 * Cancels an order and returns it. A paid order is refunded, and its units go back on hand, if the caller may refund orders.
 * @throws {Problem} when the cancel is refused.
 */
export async function cancelOrder(
  servers: CommandServers & Pick<Dependencies, 'attentionAfter'>,
  orderId: string,
  command: CancelCommand,
  asked: Asked,
): Promise<Order> {
  const { temporal, database, caller, attentionAfter } = servers;
  const cancel: Command = {
    orderId,
    commandId: command.commandId,
    openStages: ['awaiting_payment', 'paid'],
    refusal: 'order_not_cancellable',
  };
  const before = await findVerdict(database, cancel);
  if (before) return before;
  await requireReachable(servers, orderId);

  const outcome = await temporal.cancel(orderId, command, asked.waitedMs);
  throwImmediateRefusal(outcome);
  const after =
    outcome.outcome === 'refused'
      ? await waitForVerdict(database, cancel, outcome.reason)
      : await findVerdict(database, cancel);
  if (after) return after;

  const order = await findOrder(database, orderId);
  if (order?.stage !== 'paid') return throwUndecided(database, orderId, outcome);
  if (isRefunding(outcome)) throw refundPending(orderId);
  if (!mayCall('refundOrder', caller.roles)) throw new Problem(cancel.refusal, describeStage(order));
  const rest = { ...command, orderId, restock: true, attentionAfter };
  return refundPaid({ temporal, database }, rest, cancel, order, asked);
}

/** Whether the order's workflow is refunding the order itself, for this cancel or for another one. */
const isRefunding = (outcome: CommandOutcome): boolean =>
  outcome.outcome === 'done'
    ? outcome.stage === 'refunding'
    : outcome.outcome === 'refused' && outcome.reason === 'order_cancelled';

/** An order takes some milliseconds to end when all is well. */
const POLL = { pauseMs: 50, attempts: 40 } as const;

/**
 * Waits for the verdict on a cancel that the workflow refused because something else is about to end the order. Until that is
 * recorded, a payment may win.
 */
async function waitForVerdict(
  database: Database,
  cancel: Command,
  reason: RefusalReason,
): Promise<Order | undefined> {
  for (let attempt = 0; attempt < POLL.attempts; attempt += 1) {
    const order = await findVerdict(database, cancel);
    if (order) return order;
    // The order is paid, and its workflow has nothing left to do but write its notes.
    const isPaid =
      reason !== 'order_cancelled' && (await findOrder(database, cancel.orderId))?.stage === 'paid';
    if (isPaid) return undefined;
    await sleep(POLL.pauseMs);
  }
  return undefined;
}
