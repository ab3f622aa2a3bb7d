/** The API's way to Temporal. But for temporal-errors.ts nothing else here knows its client: what comes back is answers and refusals. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, WithStartWorkflowOperation } from '@temporalio/client';
import type { RefusalReason } from '../domain/order.ts';
import { orderWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import type { RefundInput } from '../domain/order.ts';
import {
  WORKFLOW,
  cancelUpdate,
  payUpdate,
  placeUpdate,
  refundUpdate,
  type CancelCommand,
  type CommandAnswer,
  type OrderEnd,
  type OrderInput,
  type PayCommand,
  type PlaceAnswer,
  type RefundEnd,
} from '../workflows/messages.ts';
import type { Stage } from '../domain/stages.ts';
import { CALL_DEADLINE_MS } from '../domain/timeouts.ts';
import { TemporalAwayError, hasEnded, isAway, isInternal, refusalIn, unforeseen, wasLost } from './errors.ts';

export type CommandOutcome =
  | { outcome: 'done'; stage: Stage }
  | { outcome: 'refused'; reason: RefusalReason; detail?: string }
  /** The workflow cannot keep what the command says. */
  | { outcome: 'malformed'; detail: string }
  /** The order's workflow has ended, or never began: the database knows how it stands. */
  | { outcome: 'ended' };

/** `decided`: the database knows what came of it. `pending`: it waits for room in the wallet. `ended`: it had ended before. */
export type RefundOutcome = 'decided' | 'pending' | 'ended';

/** All that the API asks of Temporal. Every call may throw {@link TemporalAwayError}; then it may be repeated. */
export interface Orchestration {
  /** Starts the order unless it runs already, and waits until its reservation is decided. */
  place(input: OrderInput): Promise<PlaceAnswer | 'ended'>;
  /** The same when its workflow may have been terminated before the order was recorded: then it begins again. */
  placeAgain(input: OrderInput): Promise<PlaceAnswer | 'ended'>;
  /** @param waitedMs what has gone of the request's time already. */
  pay(orderId: string, command: PayCommand, waitedMs: number): Promise<CommandOutcome>;
  /** @param waitedMs as of {@link pay}. */
  cancel(orderId: string, command: CancelCommand, waitedMs: number): Promise<CommandOutcome>;
  /** Refunds a paid order, and waits until that is done or has to wait. An order has one refund: the database knows whose it is. */
  refund(refund: RefundInput): Promise<RefundOutcome>;
  /** The same when its workflow had ended and the order is paid all the same: then it begins again. */
  refundAgain(refund: RefundInput): Promise<RefundOutcome>;
  /** Resolves when Temporal answers within so many milliseconds. */
  check(withinMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface TemporalOptions {
  address: string;
  namespace: string;
  taskQueue: string;
}

type ReusePolicy = 'REJECT_DUPLICATE' | 'ALLOW_DUPLICATE_FAILED_ONLY' | 'ALLOW_DUPLICATE';

const LONGEST_PAUSE_MS = 500;

/** Connects when first used, and again whenever the connection is lost. */
export function openTemporal({ address, namespace, taskQueue }: TemporalOptions): Orchestration {
  const connection = Connection.lazy({
    address,
    // The client's own retries pause for seconds, past the end of a call that could have succeeded, and fire even after
    // the connection was closed: `ask` below retries instead.
    interceptors: [],
    channelArgs: {
      // The defaults wait up to two minutes before they try a server again that is back by then, and 45 s until a silent
      // connection is given up.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.keepalive_time_ms': 15_000,
      'grpc.keepalive_timeout_ms': 5_000,
    },
  });
  let closed = false;
  const client = new Client({ connection, namespace });
  const { workflow } = client;

  const order = (orderId: string) => workflow.getHandle(orderWorkflowId(orderId));

  /** Every call is idempotent by an id, so it is made again until it succeeds or its time is over. */
  async function ask<T>(call: () => Promise<T>, withinMs = CALL_DEADLINE_MS): Promise<T> {
    const deadline = Date.now() + withinMs;
    for (let pause = 100; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      if (closed) throw new TemporalAwayError('The connection to Temporal was closed.');
      try {
        return await connection.withDeadline(deadline, call);
      } catch (error) {
        if (!isAway(error)) throw error;
        if (Date.now() + pause >= deadline)
          throw new TemporalAwayError('Temporal gave no answer in time.', { cause: error });
        await sleep(pause * (0.75 + Math.random() / 4));
      }
    }
  }

  async function place(
    input: OrderInput,
    workflowIdReusePolicy: ReusePolicy,
  ): Promise<PlaceAnswer | 'ended'> {
    try {
      return await ask(() =>
        workflow.executeUpdateWithStart(placeUpdate, {
          updateId: 'place',
          startWorkflowOperation: startOf(input, workflowIdReusePolicy),
        }),
      );
    } catch (error) {
      if (hasEnded(error)) return 'ended';
      throw unforeseen(error);
    }
  }

  async function giveBack(
    refund: RefundInput,
    workflowIdReusePolicy: ReusePolicy,
    updateId: string,
  ): Promise<RefundOutcome> {
    try {
      const { stage } = await ask(() =>
        workflow.executeUpdateWithStart(refundUpdate, {
          updateId,
          startWorkflowOperation: startOfRefund(refund, workflowIdReusePolicy),
        }),
      );
      return stage === 'refunding' ? 'pending' : 'decided';
    } catch (error) {
      if (wasLost(error)) throw new TemporalAwayError('The refund was interrupted.', { cause: error });
      if (hasEnded(error)) return 'ended';
      throw unforeseen(error);
    }
  }

  /** Sends a command to an order's workflow until it is answered. */
  async function command(
    commandId: string,
    waitedMs: number,
    send: (updateId: string) => Promise<CommandAnswer>,
  ): Promise<CommandOutcome> {
    let updateId = commandId;
    try {
      const { stage, refusal } = await ask(async () => {
        try {
          return await send(updateId);
        } catch (error) {
          // A workflow that was reset may have refused the command when it heard of it again. Temporal then has no answer to
          // that update ever after, so the command goes out as another one: what it does is idempotent by its own id.
          if (isInternal(error)) updateId = updateId === commandId ? `${commandId}-again` : commandId;
          throw error;
        }
      }, CALL_DEADLINE_MS - waitedMs);
      return refusal === null ? { outcome: 'done', stage } : { outcome: 'refused', reason: refusal };
    } catch (error) {
      if (hasEnded(error)) return { outcome: 'ended' };
      const refusal = refusalIn(error);
      if (refusal) return refusal;
      throw unforeseen(error);
    }
  }

  return {
    place: (input) => place(input, 'REJECT_DUPLICATE'),
    placeAgain: (input) => place(input, 'ALLOW_DUPLICATE_FAILED_ONLY'),

    pay: (orderId, payment, waitedMs) =>
      command(payment.commandId, waitedMs, (updateId) =>
        order(orderId).executeUpdate(payUpdate, { updateId, args: [payment] }),
      ),

    cancel: (orderId, cancel, waitedMs) =>
      command(cancel.commandId, waitedMs, (updateId) =>
        order(orderId).executeUpdate(cancelUpdate, { updateId, args: [cancel] }),
      ),

    // One that somebody terminated begins again: its step is idempotent by the order.
    // One update for all who ask: however many and however often, they take one of the ten that a workflow may have in flight.
    refund: (refund) => giveBack(refund, 'ALLOW_DUPLICATE_FAILED_ONLY', 'refund'),
    // A new one, as the run that ended still answers the others.
    refundAgain: (refund) => giveBack(refund, 'ALLOW_DUPLICATE', `refund-${randomUUID()}`),

    async check(withinMs) {
      await ask(() => connection.workflowService.getSystemInfo({}), withinMs);
    },

    async close() {
      closed = true;
      await connection.close();
    },
  };

  function startOf(input: OrderInput, workflowIdReusePolicy: ReusePolicy) {
    return new WithStartWorkflowOperation<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
      workflowId: orderWorkflowId(input.orderId),
      taskQueue,
      args: [input],
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy,
      staticSummary: summaryOf(input),
    });
  }

  function startOfRefund(refund: RefundInput, workflowIdReusePolicy: ReusePolicy) {
    return new WithStartWorkflowOperation<(refund: RefundInput) => Promise<RefundEnd>>(WORKFLOW.refund, {
      workflowId: refundWorkflowId(refund.orderId),
      taskQueue,
      args: [refund],
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy,
      staticSummary: refund.restock ? 'Refund and restock' : 'Refund',
    });
  }
}

/** One line for the Web UI, which is limited to 400 bytes: a long buyer's id is cut. */
function summaryOf({ lines, buyerId, paymentMode }: OrderInput): string {
  const count = lines.length === 1 ? '1 line' : `${lines.length} lines`;
  return `${count} for buyer ${buyerId.slice(0, 40).toWellFormed()}, ${paymentMode}`;
}
