/** The port through which rules and reconciliation reach the workflows of orders; client/ implements it. */
import type { PaymentMode, OrderLine, RefundInput } from './order.ts';

export interface OrderWorkflows {
  isRunning: (orderId: string) => Promise<boolean>;
  /**
   * Whether an order's workflow runs and is past its reservation, so that the order must be recorded. A workflow whose tasks keep
   * failing cannot answer, and counts as past it; a workflow that waits for a worker has not begun.
   */
  isPastReservation: (orderId: string) => Promise<boolean>;
  /** Whether the workflow of an order, or of its refund, needs the attention of a person. Also true when it does not answer. */
  isMarked: (workflowId: string) => Promise<boolean>;
  /** A page of the orders whose workflow runs. The listing lags behind. */
  listRunning: (after: string | null) => Promise<{ orders: RunningOrder[]; next: string | null }>;
  /** A page of the orders whose workflow, or that of their refund, failed, timed out or was terminated. The listing lags behind. */
  listBroken: (after: string | null) => Promise<{ orderIds: string[]; next: string | null }>;
  /** A refund that a workflow accepted and that no workflow carries out. */
  findLostRefund: (orderId: string) => Promise<LostRefund | undefined>;
  /** Starts a refund again. Resolves to false when one runs by now, or has ended well. */
  restartRefund: (refund: RefundInput) => Promise<boolean>;
  /**
   * Starts an open order's workflow again, with the deadline its caller was given and with the cancel that the previous run had
   * accepted, if any. Resolves to false when one runs by now.
   */
  restartOrder: (order: OpenOrder) => Promise<boolean>;
}

export interface RunningOrder {
  orderId: string;
  startedAt: Date;
}

export interface LostRefund {
  refund: RefundInput;
  /** How it was lost, as the rest of a sentence about the order. */
  finding: string;
}

/** An order that awaits its payment, as the database has it. */
export interface OpenOrder {
  id: string;
  buyerId: string;
  walletId: string;
  paymentMode: PaymentMode;
  lines: readonly OrderLine[];
  createdAt: Date;
  paymentDeadline: Date;
}
