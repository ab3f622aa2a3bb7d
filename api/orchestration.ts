/** The API's way to Temporal. Nothing else here knows its client: what comes back is answers and refusals. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApplicationFailure,
  Client,
  Connection,
  NamespaceNotFoundError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
} from '@temporalio/client';
import {
  REFUSAL_REASONS,
  WORKFLOW,
  cancelUpdate,
  orderWorkflowId,
  payUpdate,
  placeUpdate,
  refundUpdate,
  refundWorkflowId,
  type ByHandRefusal,
  type CancelCommand,
  type CommandAnswer,
  type OrderEnd,
  type OrderInput,
  type PayCommand,
  type PlaceAnswer,
  type RefundEnd,
  type RefundInput,
  type RefusalReason,
} from '../workflows/contract.ts';
import type { Stage } from '../workflows/life.ts';

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
  pay(orderId: string, command: PayCommand): Promise<CommandOutcome>;
  cancel(orderId: string, command: CancelCommand): Promise<CommandOutcome>;
  /** Refunds a paid order, and waits until that is done or has to wait. An order has one refund: the database knows whose it is. */
  refund(refund: RefundInput): Promise<RefundOutcome>;
  /** The same when its workflow had ended and the order is paid all the same: then it begins again. */
  refundAgain(refund: RefundInput): Promise<RefundOutcome>;
  /** Resolves when Temporal answers within so many milliseconds. */
  check(withinMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Temporal is away, overloaded, or has no worker at hand. Whether the call was carried out is unknown. */
export class TemporalAwayError extends Error {
  override name = 'TemporalAwayError';
}

export interface TemporalOptions {
  address: string;
  namespace: string;
  taskQueue: string;
}

type ReusePolicy = 'REJECT_DUPLICATE' | 'ALLOW_DUPLICATE_FAILED_ONLY' | 'ALLOW_DUPLICATE';

/** Ends before a request is given up for good, so that its answer can still be sent. */
const CALL_DEADLINE_MS = 14_000;
/** The same for a command that may have waited for its turn before. */
export const COMMAND_DEADLINE_MS = 12_000;
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
      }, COMMAND_DEADLINE_MS);
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

    pay: (orderId, payment) =>
      command(payment.commandId, (updateId) =>
        order(orderId).executeUpdate(payUpdate, { updateId, args: [payment] }),
      ),

    cancel: (orderId, cancel) =>
      command(cancel.commandId, (updateId) =>
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

function refusalIn(error: unknown): CommandOutcome | undefined {
  if (!(error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure))
    return undefined;
  const { type, message } = error.cause;
  if (type === MALFORMED) return { outcome: 'malformed', detail: message };
  const reason = REFUSAL_REASONS.find((known) => known === type);
  return reason && { outcome: 'refused', reason, detail: message };
}

const MALFORMED = 'malformed' satisfies ByHandRefusal;

/** An update that failed for a reason that is not known here, such as one of a newer worker: nothing is known to be done. */
function unforeseen(error: unknown): unknown {
  if (!(error instanceof WorkflowUpdateFailedError)) return error;
  return new TemporalAwayError('The workflow refused the call for a reason that is not known here.', {
    cause: error,
  });
}

/** The server's name for what becomes of an update whose workflow ended before it was answered. */
const UPDATE_LOST = 'AcceptedUpdateCompletedWorkflow';

const wasLost = (error: unknown): boolean =>
  error instanceof WorkflowUpdateFailedError &&
  error.cause instanceof ApplicationFailure &&
  error.cause.type === UPDATE_LOST;

const hasEnded = (error: unknown): boolean =>
  wasLost(error) ||
  error instanceof WorkflowNotFoundError ||
  error instanceof WorkflowExecutionAlreadyStartedError;

/** gRPC's code for what the server did not foresee, and for an update that it will never answer. */
const INTERNAL = 13;

/**
 * gRPC's codes of a call that may succeed when it is made again: cancelled, unknown, deadline exceeded, resource exhausted (too many
 * updates in flight), failed precondition (the order's worker died in the middle of a task), aborted (the task was lost), out of range,
 * internal, unavailable, data loss. The others say that the call itself is wrong.
 */
const AWAY: ReadonlySet<number> = new Set([1, 2, 4, 8, 9, 10, 11, INTERNAL, 14, 15]);

/** The gRPC code of an error or of what caused it. */
function grpcCodeOf(error: unknown): number | undefined {
  if (isGrpcServiceError(error)) return error.code;
  return error instanceof Error && error.cause !== undefined ? grpcCodeOf(error.cause) : undefined;
}

const isInternal = (error: unknown): boolean => grpcCodeOf(error) === INTERNAL;

function isAway(error: unknown): boolean {
  if (error instanceof TemporalAwayError) return true;
  if (isGrpcDeadlineError(error) || isGrpcCancelledError(error)) return true;
  // A server that starts may not know its namespaces yet.
  if (error instanceof NamespaceNotFoundError) return true;
  // Of an update-with-start the client unwraps the sentence, and not the type.
  if (error instanceof Error && /^Namespace \S+ is not found\.$/.test(error.message)) return true;
  if (isGrpcServiceError(error)) return AWAY.has(error.code);
  return error instanceof Error && error.cause !== undefined && isAway(error.cause);
}
