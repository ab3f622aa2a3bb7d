/** What the rules need to know of an order's workflows, and ask of them: a port that client/ implements. */
import type { PaymentMode, OrderLine, RefundInput } from './order.ts';

/** What reconciliation asks of Temporal. */
export interface OrderWorkflows {
  isRunning: (orderId: string) => Promise<boolean>;
  /**
   * Whether an order's workflow runs and is past its reservation, so that the order is recorded. One whose tasks keep failing
   * cannot say, and counts; one that waits for a worker has not begun.
   */
  isPastReservation: (orderId: string) => Promise<boolean>;
  /** Whether the workflow of an order, or of its refund, says that a person has to look. One that does not answer may. */
  isMarked: (workflowId: string) => Promise<boolean>;
  /** Orders whose workflow runs, as far as the listing knows, which lags. */
  listRunning: (after: string | null) => Promise<{ orders: RunningOrder[]; next: string | null }>;
  /** Orders of which a workflow, or one of its refund, failed, timed out or was terminated, as far as the listing knows. */
  listBroken: (after: string | null) => Promise<{ orderIds: string[]; next: string | null }>;
  /** The refund that a workflow was asked for, and which none carries out any more. */
  findLostRefund: (orderId: string) => Promise<LostRefund | undefined>;
  /** Starts a refund again. Returns false when one runs by now, or has ended well. */
  restartRefund: (refund: RefundInput) => Promise<boolean>;
  /**
   * Starts an open order's workflow again, with the deadline its caller was given, and with the cancel that the run before had
   * accepted, if any. Returns false when one runs by now.
   */
  restartOrder: (order: OpenOrder) => Promise<boolean>;
}

export interface RunningOrder {
  orderId: string;
  startedAt: Date;
}

export interface LostRefund {
  refund: RefundInput;
  /** What became of it, as a sentence about the order. */
  finding: string;
}

/** An order that waits for its payment, as it is recorded. */
export interface OpenOrder {
  id: string;
  buyerId: string;
  walletId: string;
  paymentMode: PaymentMode;
  lines: readonly OrderLine[];
  createdAt: Date;
  paymentDeadline: Date;
}
