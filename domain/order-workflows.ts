/** What reconciliation needs from the workflows of orders: a port that client/ implements. */
import type { OrderContents, RefundInput } from './order.ts';

export interface OrderWorkflows {
  isRunning: (orderId: string) => Promise<boolean>;
  /**
   * Whether an order's workflow runs and is past its reservation, so that the order is recorded. A workflow whose tasks keep failing
   * cannot say, and counts; a workflow that waits for a worker has not begun.
   */
  isPastReservation: (orderId: string) => Promise<boolean>;
  /** Whether the workflow of an order, or of its refund, has an attention mark. A workflow that does not answer may have one. */
  isMarked: (workflowId: string) => Promise<boolean>;
  /** Orders whose workflow runs, according to the listing, which lags. */
  listRunning: (after: string | null) => Promise<{ orders: RunningOrder[]; next: string | null }>;
  /** What may have been lost with workflows that failed, timed out or were terminated, according to the listing. */
  listBroken: (after: string | null) => Promise<{ promises: BrokenPromise[]; next: string | null }>;
  /** The refund that was promised there and that no workflow carries out now. */
  findLostRefund: (promise: BrokenPromise) => Promise<LostRefund | undefined>;
  /** Starts a refund again. Returns false when its workflow is running by now, or has succeeded. */
  restartRefund: (refund: RefundInput) => Promise<boolean>;
  /**
   * Starts an open order's workflow again, with the deadline its caller was given, and with the cancel that the previous run had
   * accepted, if any. Returns false when one is running by now.
   */
  restartOrder: (order: OpenOrder) => Promise<boolean>;
}

export interface RunningOrder {
  orderId: string;
  startedAt: Date;
}

/** A workflow that ended too early may have promised a refund. */
export interface BrokenPromise {
  orderId: string;
  /** Of a refund that has a workflow of its own; null for what the order's workflow promised, or the one refund of an order of 0.7. */
  commandId: string | null;
}

export interface LostRefund {
  refund: RefundInput;
  /** What happened to it, as a sentence about the order. */
  finding: string;
}

/** An order that waits for its payment, as it is recorded. */
export interface OpenOrder extends OrderContents {
  id: string;
  createdAt: Date;
  paymentDeadline: Date;
}
