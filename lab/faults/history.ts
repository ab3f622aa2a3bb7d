/** What buyers sent and were answered: compared with the database when the run is over. */
import type { AddPayment, RefundOrder } from '../../api/client.ts';

/** `create and pay` is one request. */
export type OrderOperation = 'create' | 'create and pay' | 'pay' | 'cancel' | 'refund';
/** Those whose answer is a payment. */
export type PaymentOperation = 'add payment' | 'void payment';
export type Operation = OrderOperation | PaymentOperation;

export const isAboutPayment = (operation: Operation): operation is PaymentOperation =>
  operation === 'add payment' || operation === 'void payment';

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
  payment?: AddPayment;
  /** The payment that a void is about. */
  paymentId?: string;
}

/** A final answer. */
export interface Heard {
  operation: Operation;
  key: string;
  status: number;
  body: {
    /** Of the order, or of the payment. */
    id?: string;
    orderId?: string;
    stage?: string;
    paymentDeadline?: string;
    refunded?: number;
    /** Of a payment that was declined. */
    paymentId?: string;
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

export const hasSent = (buyer: BuyerHistory, operation: Operation): boolean =>
  countSent(buyer, operation) > 0;

export const countSent = ({ sent }: BuyerHistory, operation: Operation): number =>
  sent.filter((one) => one.operation === operation).length;
