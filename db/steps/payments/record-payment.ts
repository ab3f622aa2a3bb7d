/** Records what is known of a payment, and what follows from it for its order and the ledger. */
import { v7 as uuidv7 } from 'uuid';
import type { PaymentMethod, PaymentState } from '../../../domain/payments.ts';
import type { Database } from '../../connection.ts';
import { lockPayment, mayMoveTo } from './fragments.ts';

export interface RecordPaymentRequest {
  paymentId: string;
  /** `pending` only records the provider's id. */
  state: Exclude<PaymentState, 'capturing' | 'returned'>;
  providerId?: string;
  /** Why it was declined or voided. */
  reason?: string;
  /** ISO 8601. */
  at: string;
}

export interface RecordedPayment {
  orderId: string;
  method: PaymentMethod;
  state: PaymentState;
  /** Whether this call moved it. */
  changed: boolean;
}

/**
 * Moves a payment where its provider has it. What was heard late and is no move from where the payment is by now changes nothing.
 * A payment that is declined or voided no longer secures its order. The money of one that was captured from outside is booked as received;
 * the adapter of wallets books its own.
 * @throws when there is no such payment.
 */
export async function recordPayment(
  database: Database,
  { paymentId, state, providerId, reason, at }: RecordPaymentRequest,
): Promise<RecordedPayment> {
  const transferId = uuidv7();
  const isLive = state !== 'declined' && state !== 'voided';
  const [recorded] = await database.run(
    ({ sql }) => sql<RecordedPayment[]>`
      with
      ${lockPayment(sql, paymentId)},
      heard as materialized (
        select
          locked_payment.*, ${mayMoveTo(sql, sql`state`, state)} as is_move,
          -- An id that another payment has is not this one's, whatever the provider says.
          case
            when not exists (select from payment as other where other.provider_id = ${providerId ?? null} and other.id <> locked_payment.id)
              then ${providerId ?? null}::text
          end as heard_id
        from locked_payment
      ),
      to_note as (
        update payment
        set
          provider_id = coalesce(heard.provider_id, heard_id),
          state = case when is_move then ${state} else heard.state end,
          secures = heard.secures and (not is_move or ${isLive}::boolean),
          refunded = heard.refunded,
          reason = case when is_move then ${reason ?? null} else heard.reason end,
          version = heard.version + is_move::integer,
          updated_at = ${at}
        from heard
        where payment.id = heard.id and (is_move or (heard.provider_id is null and heard_id is not null))
      ),
      to_apply as materialized (
        select * from heard where is_move
      ),
      event as (
        insert into payment_event (payment_id, version, from_state, state, reason, at)
        select id, version + 1, state, ${state}, ${reason ?? null}, ${at} from to_apply
      ),
      given_up as (
        update orders
        set secured = locked_order.secured - to_apply.amount, stage = locked_order.stage
        from to_apply cross join locked_order
        where orders.id = locked_order.id and to_apply.secures and not ${isLive}::boolean
      ),
      received as materialized (
        select * from to_apply where method = 'provider' and ${state} = 'captured'
      ),
      movement as (
        insert into transfer (id, shop_id, kind, order_id, payment_id)
        select ${transferId}, shop_id, 'receipt', order_id, id from received
      ),
      leg as (
        insert into entry (shop_id, transfer_id, account, amount, currency)
        select shop_id, ${transferId}::uuid, account, case account when 'clearing' then amount else -amount end, currency
        from received cross join (values ('provider'), ('clearing')) as side (account)
      ),
      -- Nothing will be asked of it again.
      forgotten as (
        delete from payment_source where payment_id = (select id from to_apply)
      )
      select order_id as "orderId", method, case when is_move then ${state} else state end as state, is_move as changed from heard
    `,
  );
  if (recorded) return recorded;
  throw new Error(`There is no payment ${paymentId}.`);
}
