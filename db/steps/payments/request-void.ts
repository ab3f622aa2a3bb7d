/** Takes a payment out of what secures its order, because somebody asked for it. Its workflow then voids it. */
import type { PaymentReason, PaymentState } from '../../../domain/payments.ts';
import type { Database } from '../../connection.ts';
import { lockPayment } from './fragments.ts';

export interface RequestVoidRequest {
  paymentId: string;
  /** ISO 8601. */
  at: string;
}

export interface VoidRequested {
  orderId: string;
  /** `pending` or `authorised`: it is being voided. `voided`: it was. In any other state it is not, and nothing was changed. */
  state: PaymentState;
}

const REQUESTED = 'void_requested' satisfies PaymentReason;

/** Undefined when there is no such payment within reach. Asked for again, it changes nothing more. */
export async function requestVoid(
  database: Database,
  { paymentId, at }: RequestVoidRequest,
): Promise<VoidRequested | undefined> {
  const [requested] = await database.run(
    ({ sql }) => sql<VoidRequested[]>`
      with
      ${lockPayment(sql, paymentId)},
      to_apply as materialized (
        -- Once its order takes it, it is too late: the two decide under the order's lock.
        select * from locked_payment where secures and state in ('pending', 'authorised')
      ),
      given_up as (
        update payment set secures = false, reason = ${REQUESTED}, updated_at = ${at} from to_apply where payment.id = to_apply.id
      ),
      unsecured as (
        update orders set secured = locked_order.secured - to_apply.amount
        from to_apply cross join locked_order
        where orders.id = locked_order.id
      )
      select order_id as "orderId", state from locked_payment
    `,
  );
  return requested;
}
