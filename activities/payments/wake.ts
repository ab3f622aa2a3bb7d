/** Wakes the payments of an order that have something to do. */

export interface WakePaymentsRequest {
  orderId: string;
  /** The one that has something to do, when that is known. */
  paymentId?: string;
}

export interface WakingPaymentsActivities {
  wakePayments: (request: WakePaymentsRequest) => Promise<void>;
}
