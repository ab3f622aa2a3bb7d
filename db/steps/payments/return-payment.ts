/** Records that the whole of a captured payment, which its order could not use, was given back. */
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../connection.ts';
import { NIL_UUID } from '../../schema/columns.ts';
import { lockPayment, mayMoveTo } from './fragments.ts';
import type { RecordedPayment } from './record-payment.ts';

export interface ReturnPaymentRequest {
  paymentId: string;
  /** Why it could not be used, or why it went to the wallet. */
  reason: string;
  /** ISO 8601. */
  at: string;
}

/**
 * Moves a captured payment that does not secure its order to `returned`. When no return is booked yet, its provider is booked as having
 * given the money back; what goes into a wallet, the adapter of wallets books before this.
 * Changes nothing when the payment is elsewhere, secures its order, or is a wallet's and was not booked.
 * @throws when there is no such payment.
 */
export async function returnPayment(
  database: Database,
  { paymentId, reason, at }: ReturnPaymentRequest,
): Promise<RecordedPayment> {
  const transferId = uuidv7();
  const [recorded] = await database.run(
    ({ sql }) => sql<RecordedPayment[]>`
      with
      ${lockPayment(sql, paymentId)},
      judged as materialized (
        select
          locked_payment.*, is_booked,
          ${mayMoveTo(sql, sql`state`, 'returned')} and not secures and (is_booked or method = 'provider') as is_move
        from
          locked_payment
          cross join lateral (
            select exists (
              select from transfer where payment_id = locked_payment.id and kind = 'return' and command_id = ${NIL_UUID}
            ) as is_booked
          ) as booked
      ),
      to_apply as materialized (
        select * from judged where is_move
      ),
      moved as (
        update payment
        set
          state = 'returned', secures = to_apply.secures, refunded = to_apply.refunded, reason = ${reason},
          version = to_apply.version + 1, updated_at = ${at}
        from to_apply
        where payment.id = to_apply.id
      ),
      event as (
        insert into payment_event (payment_id, version, from_state, state, reason, at)
        select id, version + 1, state, 'returned', ${reason}, ${at} from to_apply
      ),
      movement as (
        insert into transfer (id, shop_id, kind, order_id, payment_id)
        select ${transferId}, shop_id, 'return', order_id, id from to_apply where not is_booked
      ),
      leg as (
        insert into entry (shop_id, transfer_id, account, amount, currency)
        select shop_id, ${transferId}::uuid, account, case account when 'provider' then amount else -amount end, currency
        from to_apply cross join (values ('provider'), ('clearing')) as side (account)
        where not is_booked
      )
      select order_id as "orderId", method, case when is_move then 'returned' else state end as state, is_move as changed from judged
    `,
  );
  if (recorded) return recorded;
  throw new Error(`There is no payment ${paymentId}.`);
}
