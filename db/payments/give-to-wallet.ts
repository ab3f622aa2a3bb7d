/** Gives the money of a provider's payment to the order's wallet, because its provider does not take it back. */
import { v7 as uuidv7 } from 'uuid';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { NIL_UUID } from '../schema/columns.ts';
import { bookLegs } from '../steps/fragments.ts';

export interface GiveToWalletRequest {
  paymentId: string;
  /** Of the order's refund that owes it; the nil UUID for all of a payment that its order could not use. */
  commandId: string;
}

export type GivenToWallet = 'booked' | 'wallet_full' | 'nothing_owed';

/**
 * Books the return of what is owed, once for each command. Recording that the refund was sent, or the payment returned, is the next step: see
 * steps/payments/.
 */
export async function giveToWallet(
  database: Database,
  { paymentId, commandId }: GiveToWalletRequest,
): Promise<GivenToWallet> {
  const transferId = uuidv7();
  const [booked] = await database.run(
    ({ sql }) => sql`
      with
      locked_order as materialized (
        select id, wallet_id from orders where id = (select order_id from payment where id = ${paymentId})
        for no key update
      ),
      locked_payment as materialized (
        select id, shop_id, order_id, method, amount, currency, state, secures from payment
        where id = ${paymentId} and (select count(*) from locked_order) >= 0
        for no key update
      ),
      locked_part as materialized (
        select amount, state from refund_payment
        where
          order_id = (select order_id from locked_payment) and command_id = ${commandId} and payment_id = ${paymentId}
        for no key update
      ),
      locked_wallet as materialized (
        select id, posted, held from wallet
        where id = (select wallet_id from locked_order) and (select count(*) from locked_part) >= 0
        for no key update
      ),
      owed as materialized (
        ${owed(sql, commandId, { payment: sql`locked_payment`, part: sql`locked_part` })}
      ),
      -- The transfer is the key: a twin that waited for the order gets none, and all the rest depends on it.
      movement as (
        insert into transfer (id, shop_id, kind, order_id, payment_id, command_id)
        select ${transferId}::uuid, owed.shop_id, 'return', owed.order_id, owed.id, ${commandId}::uuid
        from owed cross join locked_wallet
        where posted <= ${BALANCE_LIMIT}::bigint - owed.amount
        on conflict (payment_id, command_id) where kind = 'return' do nothing
        returning id
      ),
      to_apply as (
        select owed.shop_id, owed.amount, owed.currency from owed cross join movement
      ),
      changed_wallet as (
        update wallet set posted = locked_wallet.posted + to_apply.amount, held = locked_wallet.held
        from to_apply cross join locked_wallet
        where wallet.id = locked_wallet.id
        returning wallet.id, wallet.posted, wallet.held
      ),
      ${bookLegs(sql, transferId, 'clearing')}
      select from movement
    `,
  );
  if (booked) return 'booked';

  // No row: booked before, nothing to book, or no room. A new snapshot shows which.
  const [seen] = await database.run(
    ({ sql }) => sql<{ isBooked: boolean; isOwed: boolean }[]>`
      select
        exists (
          select from transfer where payment_id = ${paymentId} and command_id = ${commandId} and kind = 'return'
        ) as "isBooked",
        exists (
          ${owed(sql, commandId, {
            payment: sql`(select * from payment where id = ${paymentId})`,
            part: sql`(select amount, state from refund_payment where payment_id = ${paymentId} and command_id = ${commandId})`,
          })}
        ) as "isOwed"
    `,
  );
  if (seen?.isBooked === true) return 'booked';
  return seen?.isOwed === true ? 'wallet_full' : 'nothing_owed';
}

/** Whether the wallet got it already, and that is not recorded of the refund or the payment yet. Nothing must be asked of the provider then. */
export async function wasGivenToWallet(
  database: Database,
  { paymentId, commandId }: GiveToWalletRequest,
): Promise<boolean> {
  const given = await database.run(
    ({ sql }) => sql`
      select from transfer join entry on entry.transfer_id = transfer.id and account = 'wallet'
      where transfer.payment_id = ${paymentId} and transfer.command_id = ${commandId} and transfer.kind = 'return'
    `,
  );
  return given.length > 0;
}

/** The payment with the amount that is owed to it by this command; no row when nothing is. */
const owed = (
  sql: Queryable,
  commandId: string,
  { payment, part }: { payment: Fragment; part: Fragment },
): Fragment => sql`
  select payment.id, payment.shop_id, payment.order_id, payment.currency, coalesce(part.amount, payment.amount) as amount
  from ${payment} as payment left join ${part} as part on part.state = 'owed'
  where
    payment.method = 'provider' and payment.state = 'captured'
    and (part.amount is not null or (${commandId}::uuid = ${NIL_UUID}::uuid and not payment.secures))`;
