/**
 * What a wallet does for payments: it sets their money aside, takes it, lets go of it, and takes it back. Each is one statement that locks the
 * payment's order first, as every step does, then what it holds of the payment, then the wallet; run again it finds what it did.
 */
import { v7 as uuidv7 } from 'uuid';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import type { PaymentHoldState } from '../../domain/payments.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { bookLegs, lockOrder } from '../steps/fragments.ts';

/** What a wallet has of a payment. Amounts are in minor units. */
export interface PaymentHold {
  paymentId: string;
  orderId: string;
  amount: number;
  currency: string;
  state: PaymentHoldState;
  /** What went back into the wallet so far. */
  returned: number;
}

/** The columns of {@link PaymentHold}, of rows that have them by these names. */
const HOLD = 'payment_id as "paymentId", order_id as "orderId", amount, currency, state, returned';

/** What the wallet has of this payment; undefined when it was never asked for the money. */
export async function findPaymentHold(
  database: Database,
  paymentId: string,
): Promise<PaymentHold | undefined> {
  const [found] = await database.run(({ sql }) => readHold(sql, paymentId));
  return found;
}

const readHold = (sql: Queryable, paymentId: string) => sql<PaymentHold[]>`
  select ${sql.unsafe(HOLD)}
  from (
    select payment_hold.*, payment.currency
    from payment_hold join payment on payment.id = payment_hold.payment_id
    where payment_id = ${paymentId}
  ) as known
`;

/**
 * Sets the money of a pending payment aside in its order's wallet. Leads to `held`; to `declined` when the wallet has not enough; or to
 * `voided` when the order does not await it any more: then no later attempt sets any aside.
 * @throws when there is no such payment of the order.
 */
export async function holdPayment(
  database: Database,
  { paymentId, orderId }: { paymentId: string; orderId: string },
): Promise<PaymentHold> {
  const hold = () =>
    database.run(
      ({ sql }) => sql<PaymentHold[]>`
        with
        ${lockOrder(sql, orderId)},
        locked_payment as materialized (
          select id, amount, currency, state, secures from payment
          where id = ${paymentId} and order_id = (select id from locked_order)
          for no key update
        ),
        locked_wallet as materialized (
          select id, posted, held from wallet
          where id = (select wallet_id from locked_order) and (select count(*) from locked_payment) >= 0
          for no key update
        ),
        -- The row is the key: a twin that waited for the order finds it, and sets nothing aside.
        made as (
          insert into payment_hold (payment_id, shop_id, order_id, wallet_id, amount, state)
          select
            locked_payment.id, shop_id, locked_order.id, wallet_id, amount,
            case
              when stage <> 'awaiting_payment' or not secures or locked_payment.state <> 'pending' then 'voided'
              when posted - held < amount then 'declined'
              else 'held'
            end
          from locked_order cross join locked_payment cross join locked_wallet
          on conflict do nothing
          returning payment_id, order_id, amount, state, returned
        ),
        set_aside as (
          update wallet set posted = locked_wallet.posted, held = locked_wallet.held + made.amount
          from made cross join locked_wallet
          where wallet.id = locked_wallet.id and made.state = 'held'
        )
        select ${sql.unsafe(HOLD)} from made cross join (select currency from locked_payment) as asked
        union all
        ${readHold(sql, paymentId)}
      `,
    );
  const [held] = await hold();
  if (held) return held;
  // A twin has the row, and this statement's snapshot has not: the next one's has.
  const [recorded] = await hold();
  if (recorded) return recorded;
  throw new Error(`Payment ${paymentId} of order ${orderId} is not in the database.`);
}

/** The rows that a change of a hold needs, in the order in which everything locks them. */
const lockHold = (sql: Queryable, paymentId: string): Fragment => sql`
  locked_order as materialized (
    select id from orders where id = (select order_id from payment_hold where payment_id = ${paymentId})
    for no key update
  ),
  locked_hold as materialized (
    select payment_id, shop_id, order_id, wallet_id, amount, state, returned from payment_hold
    where payment_id = ${paymentId} and (select count(*) from locked_order) >= 0
    for no key update
  ),
  locked_wallet as materialized (
    select id, posted, held from wallet where id = (select wallet_id from locked_hold) for no key update
  )`;

/** The locked hold with its payment's currency, and with the state that this statement gave it. */
const changedHold = (sql: Queryable, state: Exclude<PaymentHoldState, 'declined'>): Fragment => sql`
  select ${sql.unsafe(HOLD)}
  from (
    select
      locked_hold.payment_id, locked_hold.order_id, locked_hold.amount, payment.currency,
      case when locked_hold.state = 'held' then ${state} else locked_hold.state end as state, returned
    from locked_hold join payment on payment.id = locked_hold.payment_id
  ) as changed`;

/** Takes the money that is held. Any other hold stays as it is. Undefined when the wallet was never asked for the money. */
export async function capturePaymentHold(
  database: Database,
  paymentId: string,
): Promise<PaymentHold | undefined> {
  const transferId = uuidv7();
  const [captured] = await database.run(
    ({ sql }) => sql<PaymentHold[]>`
      with
      ${lockHold(sql, paymentId)},
      to_apply as (
        select locked_hold.payment_id, locked_hold.shop_id, locked_hold.order_id, payment.currency, -locked_hold.amount as amount
        from locked_hold join payment on payment.id = locked_hold.payment_id
        where locked_hold.state = 'held'
      ),
      movement as (
        insert into transfer (id, shop_id, kind, order_id, payment_id)
        select ${transferId}, shop_id, 'receipt', order_id, payment_id from to_apply
      ),
      changed_wallet as (
        update wallet
        set posted = locked_wallet.posted + to_apply.amount, held = locked_wallet.held + to_apply.amount
        from to_apply cross join locked_wallet
        where wallet.id = locked_wallet.id
        returning wallet.id, wallet.posted, wallet.held
      ),
      ${bookLegs(sql, transferId, 'clearing')},
      captured as (
        update payment_hold set state = 'captured', amount = locked_hold.amount, returned = locked_hold.returned
        from to_apply cross join locked_hold
        where payment_hold.payment_id = to_apply.payment_id
      )
      ${changedHold(sql, 'captured')}
    `,
  );
  return captured;
}

/** Lets go of the money that is held. Any other hold stays as it is. Undefined when the wallet was never asked for the money. */
export async function voidPaymentHold(
  database: Database,
  paymentId: string,
): Promise<PaymentHold | undefined> {
  const [voided] = await database.run(
    ({ sql }) => sql<PaymentHold[]>`
      with
      ${lockHold(sql, paymentId)},
      voided as (
        update payment_hold set state = 'voided', amount = locked_hold.amount, returned = locked_hold.returned
        from locked_hold
        where payment_hold.payment_id = locked_hold.payment_id and locked_hold.state = 'held'
        returning payment_hold.amount
      ),
      let_go as (
        update wallet set posted = locked_wallet.posted, held = locked_wallet.held - voided.amount
        from voided cross join locked_wallet
        where wallet.id = locked_wallet.id
      )
      ${changedHold(sql, 'voided')}
    `,
  );
  return voided;
}

export interface ReturnRequest {
  paymentId: string;
  /** Of the order's refund; the nil UUID for all of a payment. */
  commandId: string;
  amount: number;
}

export type HoldReturn =
  | { outcome: 'booked'; hold: PaymentHold }
  | { outcome: 'unknown_payment' | 'not_captured' | 'exceeds_captured' | 'wallet_full' };

/** Puts money that was captured back into the wallet, once for each command. */
export async function returnToWallet(
  database: Database,
  { paymentId, commandId, amount }: ReturnRequest,
): Promise<HoldReturn> {
  const transferId = uuidv7();
  const [booked] = await database.run(
    ({ sql }) => sql<PaymentHold[]>`
      with
      ${lockHold(sql, paymentId)},
      -- The transfer is the key: a twin that waited for the order gets none, and all the rest depends on it.
      movement as (
        insert into transfer (id, shop_id, kind, order_id, payment_id, command_id)
        select ${transferId}::uuid, locked_hold.shop_id, 'return', order_id, payment_id, ${commandId}::uuid
        from locked_hold cross join locked_wallet
        where
          state = 'captured' and returned <= locked_hold.amount - ${amount}::bigint
          and posted <= ${BALANCE_LIMIT}::bigint - ${amount}::bigint
        on conflict (payment_id, command_id) where kind = 'return' do nothing
        returning shop_id, payment_id
      ),
      to_apply as (
        select movement.shop_id, movement.payment_id, currency, ${amount}::bigint as amount
        from movement join payment on payment.id = movement.payment_id
      ),
      changed_wallet as (
        update wallet set posted = locked_wallet.posted + to_apply.amount, held = locked_wallet.held
        from to_apply cross join locked_wallet
        where wallet.id = locked_wallet.id
        returning wallet.id, wallet.posted, wallet.held
      ),
      ${bookLegs(sql, transferId, 'clearing')},
      given_back as (
        update payment_hold
        set state = locked_hold.state, amount = locked_hold.amount, returned = locked_hold.returned + to_apply.amount
        from to_apply cross join locked_hold
        where payment_hold.payment_id = to_apply.payment_id
        returning payment_hold.*
      )
      select ${sql.unsafe(HOLD)} from given_back cross join (select currency from to_apply) as applied
    `,
  );
  if (booked) return { outcome: 'booked', hold: booked };

  // No row: booked before, or refused. A new snapshot shows which.
  const [recorded] = await database.run(
    ({ sql }) => sql<(PaymentHold & { isBooked: boolean })[]>`
      select
        ${sql.unsafe(HOLD)},
        exists (
          select from transfer
          where transfer.payment_id = known.payment_id and transfer.command_id = ${commandId} and kind = 'return'
        ) as "isBooked"
      from (
        select payment_hold.*, payment.currency
        from payment_hold join payment on payment.id = payment_hold.payment_id
        where payment_id = ${paymentId}
      ) as known
    `,
  );
  if (recorded === undefined) return { outcome: 'unknown_payment' };
  const { isBooked, ...hold } = recorded;
  if (isBooked) return { outcome: 'booked', hold };
  if (hold.state !== 'captured') return { outcome: 'not_captured' };
  return { outcome: hold.returned + amount > hold.amount ? 'exceeds_captured' : 'wallet_full' };
}
