/** The parts that the statements about payments share. The order's lock comes before its payments': two statements never meet there. */
import type { PaymentState } from '../../../domain/payments.ts';
import { PAYMENT_MOVES } from '../../../domain/payments.ts';
import type { Fragment, Queryable } from '../../postgres.ts';
import { lockOrder } from '../fragments.ts';

/**
 * The payments that secure the locked order, after its SKUs, and whether these are all of them.
 *
 * A payment that was opened after the statement's snapshot is missing, however long the order is locked by then. But whatever secures an
 * order is counted in the order's row, under its lock, and a payment that stops securing it never does again: so all of them are here
 * just when they come to that count.
 * @param condition for locking any.
 */
export const lockSecuring = (sql: Queryable, condition: Fragment = sql`true`): Fragment => sql`
  locked_payment as materialized (
    select id, method, amount, refunded, state, version from payment
    where
      order_id = (select id from locked_order where ${condition}) and secures and (select count(*) from locked_sku) >= 0
    order by id
    for no key update
  ),
  locked_payments as materialized (
    select coalesce(sum(amount), 0) = (select secured from locked_order) as are_all from locked_payment
  )`;

/** One payment, after its order. */
export const lockPayment = (sql: Queryable, paymentId: string): Fragment => sql`
  ${lockOrder(sql, sql`(select order_id from payment where id = ${paymentId})`)},
  locked_payment as materialized (
    select id, shop_id, order_id, method, amount, currency, state, secures, refunded, provider_id, reason, version
    from payment
    where id = ${paymentId} and (select count(*) from locked_order) >= 0
    for no key update
  )`;

/** Whether a payment in the state of this column may move there. */
export const mayMoveTo = (sql: Queryable, from: Fragment, to: PaymentState): Fragment => {
  const states = PAYMENT_MOVES.flatMap((move) => (move.to === to && move.from !== null ? [move.from] : []));
  return sql`${from} = any (string_to_array(${states.join(' ')}, ' '))`;
};
