/** What each choice does to the rows of an order. Whatever it leaves broken makes it refused: see decide.ts. */
import type { Choice } from '../../domain/decisions.ts';
import { WINDOW_ENDED } from '../../domain/order.ts';
import type { Stage } from '../../domain/stages.ts';
import type { Database } from '../connection.ts';
import type { Queryable } from '../postgres.ts';
import { release } from '../steps/release.ts';
import { bookPayment, letShopPay, reconnectPayment, takeMoney } from './money.ts';
import {
  recordAgain,
  recordCancelled,
  refuseIfRowsAreLeft,
  restoreRow,
  type KnownOrder,
} from './known-order.ts';
import type { DecidedOrder } from './order.ts';
import { followEvents, isElsewhere, moveTo } from './path.ts';
import { recountPayment } from './payments.ts';
import { ChoiceRefusedError, refuseUnless } from './refused.ts';
import { completeRows } from './rows.ts';

/** What Temporal and the caller's answer say of an order. */
export interface OrderFacts {
  /** Undefined when nothing is known of what was ordered. */
  known?: KnownOrder | undefined;
  /** Whether its caller was given the order. */
  isAnswered: boolean;
  /** The stage that its workflow says; null when it runs and does not answer; undefined when none runs. */
  workflow?: Stage | null | undefined;
}

export interface Deciding extends OrderFacts {
  /** Both are parts of the transaction of the decision. */
  within: Database;
  sql: Queryable;
  orderId: string;
  /** What the finding is about. */
  subject: string;
  /** Undefined when the order is not recorded. */
  order: DecidedOrder | undefined;
  /** Why the person chose it. */
  reason: string;
  /** ISO 8601. */
  at: string;
}

/** What was done, as a sentence, and further values that are recorded with it. */
export interface Effect {
  done: string;
  values?: object;
}

type Act = (deciding: Deciding) => Promise<Effect>;

const onOrder =
  (act: (order: DecidedOrder, deciding: Deciding) => Promise<Effect>): Act =>
  (deciding) => {
    if (!deciding.order) throw new ChoiceRefusedError('The order is not recorded.');
    return act(deciding.order, deciding);
  };

const onMissing =
  (act: (known: KnownOrder, deciding: Deciding) => Promise<Effect>): Act =>
  (deciding) => {
    if (deciding.order)
      throw new ChoiceRefusedError(`The order is recorded, and is ${deciding.order.stage}.`);
    if (!deciding.known)
      throw new ChoiceRefusedError(
        'Nobody knows what was ordered: neither its workflow nor an answer to its caller is left.',
      );
    return act(deciding.known, deciding);
  };

/** Pays an order that is paid, with whatever else its rows lack. */
const paying = (pay: (sql: Queryable, order: DecidedOrder) => Promise<object>, done: string): Act =>
  onOrder(async (order, { sql, at }) => {
    await completeRows(sql, order, at);
    return { done, values: await pay(sql, order) };
  });

const refuseUnlessOpen = ({ stage }: DecidedOrder): void =>
  refuseUnless(stage === 'awaiting_payment', `The order is ${stage}.`);

/** Ends an open order by the step that its workflow would take. */
const ending = (to: 'cancelled' | 'expired'): Act =>
  onOrder(async (order, { within, reason, at }) => {
    refuseUnlessOpen(order);
    const ended = await release(within, {
      orderId: order.id,
      to,
      reason: to === 'expired' ? WINDOW_ENDED : reason,
      commandId: null,
      at,
    });
    refuseUnless(
      ended.refusal === null,
      'Its payments are being captured: resolve them first, with POST /v1/payments/{id}/resolve.',
    );
    return { done: `The order was ${to === 'expired' ? 'let expire' : 'cancelled'}.` };
  });

export const ACTS: Readonly<Record<Choice, Act>> = {
  record_again: onMissing(async (known, { within, sql, orderId, workflow, at }) => {
    await refuseIfRowsAreLeft(sql, orderId);
    refuseUnless(
      workflow === undefined || workflow === 'awaiting_payment' || workflow === 'paying',
      workflow === null
        ? 'Its workflow does not answer, so it could not go on. Record it as cancelled, or stop the workflow and choose again.'
        : `Its workflow is ${workflow}, which the order would not be: record it as cancelled.`,
    );
    await recordAgain(within, orderId, known, at);
    return { done: 'The order was reserved again, with the deadline its caller was given.' };
  }),
  record_cancelled: onMissing(async (known, { within, sql, orderId, reason, at }) => {
    await refuseIfRowsAreLeft(sql, orderId);
    await recordCancelled(within, orderId, known, { reason, at });
    return { done: 'The order was recorded as cancelled.' };
  }),
  restore_order: onMissing(async (known, { sql, orderId }) => {
    const stage = await restoreRow(sql, orderId, known);
    return { done: `The order was recorded again as ${stage}, where its events end.` };
  }),
  stop_workflow: ({ order, isAnswered, workflow }) => {
    refuseUnless(workflow !== undefined, 'No workflow runs for it: the next run no longer finds it.');
    refuseUnless(order?.stage !== 'awaiting_payment', 'The order is open, and its workflow is what ends it.');
    refuseUnless(
      order !== undefined || !isAnswered,
      'Its caller was given the order, which would be lost: record it, again or as cancelled.',
    );
    return Promise.resolve({ done: 'Its workflow was terminated.' });
  },
  restart_workflow: onOrder((order) => {
    refuseUnlessOpen(order);
    return Promise.resolve({ done: 'Its workflow was terminated, and started again.' });
  }),
  expire_order: ending('expired'),
  cancel_order: ending('cancelled'),
  mark_paid: onOrder(async (order, { sql, at }) => {
    refuseUnlessOpen(order);
    const taken =
      await sql`select from transfer where order_id = ${order.id} and kind in ('debit', 'capture')`;
    refuseUnless(taken.length > 0, 'No money was taken for the order.');
    await moveTo(sql, order, 'paid', at);
    return { done: 'The order was made paid by what was taken for it.' };
  }),
  take_money: paying(takeMoney, 'The money for the order was taken.'),
  book_payment: paying(bookPayment, "The payment that its wallet's balance shows was recorded."),
  reconnect_payment: paying(reconnectPayment, 'The transfer of its payment was recorded again.'),
  let_shop_pay: paying(letShopPay, 'The shop has paid for the order.'),
  follow_events: onOrder(async (order, { sql }) => ({
    done: `The order was set to ${await followEvents(sql, order)}, where its events end.`,
  })),
  // What is missing of its path is recorded with its other rows, in both of these.
  follow_stage: onOrder(async (order, { sql }) => {
    refuseUnless(await isElsewhere(sql, order), 'Its events end where the order is.');
    return { done: `The order stays ${order.stage}, and its events lead there now.` };
  }),
  complete_rows: onOrder(async (order, { sql }) => {
    refuseUnless(
      !(await isElsewhere(sql, order)),
      'Its row and its events say different stages: choose which of them holds.',
    );
    return { done: 'The rows that were missing were added.' };
  }),
  recount_payment: async ({ sql, subject }) => ({
    done: 'The payment was counted again.',
    values: await recountPayment(sql, subject),
  }),
  accept: () => Promise.resolve({ done: 'It was accepted as it is.' }),
};
