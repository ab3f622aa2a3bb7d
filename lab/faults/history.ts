/** What buyers sent and were answered: compared with the database when the run is over. */
import type { RefundOrder } from '../../api/client.ts';

/** `create and pay` is one request. */
export type Operation = 'create' | 'create and pay' | 'pay' | 'cancel' | 'refund';

export interface Request {
  path: string;
  key: string;
  body?: object;
}

/** A request, whether or not an answer arrived. It is sent once more when the run is over. */
export interface Sent {
  operation: Operation;
  request: Request;
  /** What a refund asks for; of a cancel, what it asks for once the order is paid. */
  refund?: RefundOrder;
}

/** A final answer. */
export interface Heard {
  operation: Operation;
  key: string;
  status: number;
  body: {
    id?: string;
    orderId?: string;
    stage?: string;
    paymentDeadline?: string;
    refunded?: number;
    code?: string;
  };
}

/** All that one buyer did for one order. */
export interface BuyerHistory {
  /** The key of the create. */
  key: string;
  behaviour: string;
  readonly sent: Sent[];
  readonly heard: Heard[];
  /** Every id under which the order was ever named to the buyer. */
  readonly orderIds: Set<string>;
}

export interface Deposit {
  walletId: string;
  amount: number;
}

/** All that callers did in one run. */
export interface History {
  readonly buyers: BuyerHistory[];
  /** Those that were answered 201. */
  readonly deposits: Deposit[];
}
