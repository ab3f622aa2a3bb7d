/** Records that a part of a refund went back to its payment. */
import { v7 as uuidv7 } from 'uuid';
import type { RefundPaymentState } from '../../../domain/payments.ts';
import type { Database } from '../../connection.ts';
import { lockPayment } from './fragments.ts';

export interface MarkRefundSentRequest {
  paymentId: string;
  /** The refund's. */
  commandId: string;
}

/**
 * Marks an owed part of a refund as sent. When no return is booked for it yet, the payment's provider is booked as having given the
 * money back; what goes into a wallet, the adapter of wallets books before this, and that of a provider's payment is marked `to_wallet`.
 * Changes nothing when it was marked before, or is a wallet's and was not booked. Returns what is recorded of it; undefined when nothing is.
 */
export async function markRefundSent(
  database: Database,
  { paymentId, commandId }: MarkRefundSentRequest,
): Promise<RefundPaymentState | undefined> {
  const transferId = uuidv7();
  const [recorded] = await database.run(
    ({ sql }) => sql<{ state: RefundPaymentState }[]>`
      with
      ${lockPayment(sql, paymentId)},
      locked_part as materialized (
        select refund_payment.order_id, amount, state from refund_payment
        where
          order_id = (select order_id from locked_payment) and command_id = ${commandId} and payment_id = ${paymentId}
        for no key update
      ),
      booked as materialized (
        select
          id,
          exists (select from entry where transfer_id = transfer.id and account = 'wallet') as is_wallets
        from transfer
        where payment_id = ${paymentId} and kind = 'return' and command_id = ${commandId}
      ),
      judged as materialized (
        select
          locked_part.order_id, locked_part.amount, locked_payment.shop_id, locked_payment.currency, booked.id as booked_id,
          case
            when locked_part.state <> 'owed' then locked_part.state
            when method = 'wallet' and booked.id is null then 'owed'
            when method = 'provider' and is_wallets then 'to_wallet'
            else 'sent'
          end as state,
          locked_part.state as before
        from locked_part cross join locked_payment left join booked on true
      ),
      to_apply as materialized (
        select * from judged where before = 'owed' and state <> 'owed'
      ),
      movement as (
        insert into transfer (id, shop_id, kind, order_id, command_id, payment_id)
        select ${transferId}, shop_id, 'return', order_id, ${commandId}, ${paymentId} from to_apply where booked_id is null
      ),
      leg as (
        insert into entry (shop_id, transfer_id, account, amount, currency)
        select shop_id, ${transferId}::uuid, account, case account when 'provider' then amount else -amount end, currency
        from to_apply cross join (values ('provider'), ('clearing')) as side (account)
        where booked_id is null
      ),
      marked as (
        update refund_payment
        set state = to_apply.state, transfer_id = coalesce(booked_id, ${transferId}::uuid)
        from to_apply
        where refund_payment.order_id = to_apply.order_id and command_id = ${commandId} and payment_id = ${paymentId}
      )
      select state from judged
    `,
  );
  return recorded?.state;
}
