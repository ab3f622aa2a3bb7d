/** Pays an order: sends the payment to its workflow and answers from what the database recorded. */
import type { CommandOutcome } from '../../client/orders.ts';
import type { Database } from '../../db/connection.ts';
import { findPaymentOutlook, type Order } from '../../db/orders.ts';
import { refusePayment } from '../../db/steps/skip-payment.ts';
import { PAYMENT_LIMITS, PAYMENT_SKIPPED } from '../../domain/order.ts';
import type { CommandServers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import { LASTING_REFUSALS, explainRefusedPayment } from './refusals.ts';
import { requireOrder, requirePlaced } from './require-order.ts';
import {
  findVerdict,
  throwImmediateRefusal,
  throwUndecided,
  toRefusalProblem,
  type Command,
} from './verdict.ts';

/**
 * Pays an order and returns it.
 * @param waitedMs how much of the request's time is already spent.
 * @throws {Problem} when the payment is refused; `insufficient_funds` leaves the order open until its deadline.
 */
export async function payOrder(
  servers: CommandServers,
  orderId: string,
  commandId: string,
  waitedMs: number,
): Promise<Order> {
  const { temporal, database } = servers;
  const payment: Command = {
    orderId,
    commandId,
    openStages: ['awaiting_payment'],
    refusal: 'order_not_payable',
  };
  const outlook = await findPaymentOutlook(database, { orderId, commandId, limit: PAYMENT_LIMITS.refused });
  if (!outlook) await requirePlaced(servers, orderId);
  if (outlook && (outlook.isDecided || outlook.stage !== 'awaiting_payment'))
    return answerFromRecord(database, payment, outlook.reason);
  if (outlook && !outlook.funded && outlook.refused >= PAYMENT_LIMITS.refused)
    throw new Problem('too_many_refused_payments', `${outlook.refused} payments of this order were refused.`);

  const outcome = await temporal.pay(orderId, { commandId, funded: outlook?.funded ?? false }, waitedMs);
  throwImmediateRefusal(outcome);
  const reason =
    outcome.outcome === 'refused' ? await refusePayment(database, payment, outcome.reason) : null;
  return answerFromRecord(database, payment, reason ?? null, outcome);
}

/** Answers with the recorded reason why the payment was refused, or else with the verdict on it. */
async function answerFromRecord(
  database: Database,
  payment: Command,
  reason: string | null,
  outcome?: CommandOutcome,
): Promise<Order> {
  if (reason === PAYMENT_SKIPPED)
    throw new Problem(payment.refusal, 'An operator skipped this payment. It takes no money.');
  const lasting = LASTING_REFUSALS.find((known) => known === reason);
  if (lasting)
    throw await explainRefusedPayment(database, await requireOrder(database, payment.orderId), lasting);
  const order = await findVerdict(database, payment);
  if (order) return order;
  // The order was not recorded when its workflow refused the payment, so no attempt to take the payment can be under way.
  if (outcome?.outcome === 'refused') throw toRefusalProblem(outcome);
  return throwUndecided(database, payment.orderId, outcome);
}
