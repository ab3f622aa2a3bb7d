/** The parts of a step's statement that let go of the money which payments by wallet hold. */
import type { Fragment, Queryable } from '../../postgres.ts';

/**
 * What the locked order holds by payments, after the order. One that is added as this statement begins may be missing: its payment does
 * not secure the order any more, so the payment's workflow lets go of it.
 */
export const lockPaymentHolds = (sql: Queryable): Fragment => sql`
  locked_payment_hold as materialized (
    select payment_id, wallet_id, amount, returned from payment_hold
    where order_id = (select id from locked_order) and state = 'held'
    order by payment_id
    for no key update
  )`;

/** Lets go of all of it when the statement applies. Its `amount`s are no longer held in the wallet. */
export const letGoOfPayments = (sql: Queryable): Fragment => sql`
  let_go_of as (
    update payment_hold
    set state = 'voided', amount = locked_payment_hold.amount, returned = locked_payment_hold.returned
    from to_apply cross join locked_payment_hold
    where payment_hold.payment_id = locked_payment_hold.payment_id
    returning payment_hold.amount
  )`;
