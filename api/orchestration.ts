/** The API's way to Temporal. Nothing else here knows its client: what comes back is answers and refusals. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApplicationFailure,
  Client,
  Connection,
  NamespaceNotFoundError,
  TerminatedFailure,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
  isRetryableError,
} from '@temporalio/client';
import {
  REFUSAL_REASONS,
  WORKFLOW,
  cancelUpdate,
  orderWorkflowId,
  payUpdate,
  placeUpdate,
  refundWorkflowId,
  type CancelCommand,
  type CommandAnswer,
  type OrderEnd,
  type OrderInput,
  type PlaceAnswer,
  type RefundEnd,
  type RefundInput,
  type RefusalReason,
} from '../workflows/contract.ts';
import type { Stage } from '../workflows/life.ts';

export type CommandOutcome =
  | { outcome: 'done'; stage: Stage }
  | { outcome: 'refused'; reason: RefusalReason; detail?: string }
  /** The order's workflow has ended, or never began: the database knows how it stands. */
  | { outcome: 'ended' };

export type RefundOutcome =
  | { outcome: 'done'; commandId: string | null }
  | { outcome: 'refused'; reason: RefusalReason; detail: string };

/** All that the API asks of Temporal. Every call may throw {@link TemporalAwayError}; then it may be repeated. */
export interface Orchestration {
  /** Starts the order unless it runs already, and waits until its reservation is decided. */
  place(input: OrderInput): Promise<PlaceAnswer | 'ended'>;
  /** The same when its workflow may have been terminated before the order was recorded: then it begins again. */
  placeAgain(input: OrderInput): Promise<PlaceAnswer | 'ended'>;
  pay(orderId: string, commandId: string): Promise<CommandOutcome>;
  cancel(orderId: string, command: CancelCommand): Promise<CommandOutcome>;
  /** Refunds a paid order, and waits for the end of it. An order has one refund: the answer names whose it is. */
  refund(refund: RefundInput): Promise<RefundOutcome>;
  /** The same for an order whose refund was lost with the database that recorded it: then it begins again. */
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
      throw error;
    }
  }

  async function giveBack(refund: RefundInput, workflowIdReusePolicy: ReusePolicy): Promise<RefundOutcome> {
    const workflowId = refundWorkflowId(refund.orderId);
    try {
      const { commandId } = await ask(async () => {
        await startRefund(refund, workflowId, workflowIdReusePolicy);
        return resultOf(workflowId);
      });
      return { outcome: 'done', commandId };
    } catch (error) {
      const refusal = error instanceof WorkflowFailedError ? refusalIn(error) : undefined;
      if (refusal) return refusal;
      throw error;
    }
  }

  return {
    place: (input) => place(input, 'REJECT_DUPLICATE'),
    placeAgain: (input) => place(input, 'ALLOW_DUPLICATE_FAILED_ONLY'),

    pay: (orderId, commandId) =>
      outcomeOf(commandId, (updateId) =>
        ask(() => order(orderId).executeUpdate(payUpdate, { updateId, args: [{ commandId }] })),
      ),

    cancel: (orderId, command) =>
      outcomeOf(command.commandId, (updateId) =>
        ask(() => order(orderId).executeUpdate(cancelUpdate, { updateId, args: [command] })),
      ),

    // One that somebody terminated begins again: its step is idempotent by the order.
    refund: (refund) => giveBack(refund, 'ALLOW_DUPLICATE_FAILED_ONLY'),
    refundAgain: (refund) => giveBack(refund, 'ALLOW_DUPLICATE'),

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

  async function resultOf(workflowId: string): Promise<RefundEnd> {
    try {
      return await workflow.getHandle<(refund: RefundInput) => Promise<RefundEnd>>(workflowId).result();
    } catch (error) {
      // A reset terminates the run that is waited for; the next question finds the new one.
      if (error instanceof WorkflowFailedError && error.cause instanceof TerminatedFailure)
        throw new TemporalAwayError('The refund was interrupted.', { cause: error });
      throw error;
    }
  }

  async function startRefund(
    refund: RefundInput,
    workflowId: string,
    workflowIdReusePolicy: ReusePolicy,
  ): Promise<void> {
    try {
      await workflow.start<(refund: RefundInput) => Promise<RefundEnd>>(WORKFLOW.refund, {
        workflowId,
        taskQueue,
        args: [refund],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy,
        staticSummary: refund.restock ? 'Refund and restock' : 'Refund',
      });
    } catch (error) {
      // It ran before, and its result is there to be read.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
}

/** One line for the Web UI, which is limited to 400 bytes: a long buyer's id is cut. */
function summaryOf({ lines, buyerId, paymentMode }: OrderInput): string {
  const count = lines.length === 1 ? '1 line' : `${lines.length} lines`;
  return `${count} for buyer ${buyerId.slice(0, 40).toWellFormed()}, ${paymentMode}`;
}

async function outcomeOf(
  commandId: string,
  update: (updateId: string) => Promise<CommandAnswer>,
): Promise<CommandOutcome> {
  try {
    const { stage, refusal } = await given(commandId, update);
    return refusal === null ? { outcome: 'done', stage } : { outcome: 'refused', reason: refusal };
  } catch (error) {
    if (hasEnded(error)) return { outcome: 'ended' };
    const refusal = error instanceof WorkflowUpdateFailedError ? refusalIn(error) : undefined;
    if (refusal) return refusal;
    throw error;
  }
}

/**
 * A workflow that was reset may have refused a command when it heard of it again. Temporal then has no answer to that update
 * ever after, so the command goes out as another one: what it does is idempotent by its own id.
 */
async function given<T>(commandId: string, update: (updateId: string) => Promise<T>): Promise<T> {
  try {
    return await update(commandId);
  } catch (error) {
    if (!isInternal(error)) throw error;
    return update(`${commandId}-again`);
  }
}

function refusalIn(error: Error): { outcome: 'refused'; reason: RefusalReason; detail: string } | undefined {
  if (!(error.cause instanceof ApplicationFailure)) return undefined;
  const { type, message } = error.cause;
  const reason = REFUSAL_REASONS.find((known) => known === type);
  return reason && { outcome: 'refused', reason, detail: message };
}

/** The server's name for what becomes of an update whose workflow ended before it was answered. */
const UPDATE_LOST = 'AcceptedUpdateCompletedWorkflow';

function hasEnded(error: unknown): boolean {
  if (error instanceof WorkflowUpdateFailedError)
    return error.cause instanceof ApplicationFailure && error.cause.type === UPDATE_LOST;
  return error instanceof WorkflowNotFoundError || error instanceof WorkflowExecutionAlreadyStartedError;
}

/** gRPC's code for what the server did not foresee. */
const INTERNAL = 13;

function isInternal(error: unknown): boolean {
  if (!isGrpcServiceError(error))
    return error instanceof Error && error.cause !== undefined && isInternal(error.cause);
  const code: number = error.code;
  return code === INTERNAL;
}

/** gRPC's code for an order whose worker died in the middle of a task, until the task is tried again. */
const FAILED_PRECONDITION = 9;

function isAway(error: unknown): boolean {
  if (error instanceof TemporalAwayError) return true;
  if (isGrpcDeadlineError(error) || isGrpcCancelledError(error)) return true;
  // A server that starts may not know its namespaces yet.
  if (error instanceof NamespaceNotFoundError) return true;
  // Of an update-with-start the client unwraps the sentence, and not the type.
  if (error instanceof Error && /^Namespace \S+ is not found\.$/.test(error.message)) return true;
  if (isGrpcServiceError(error)) {
    const code: number = error.code;
    return code === FAILED_PRECONDITION || isRetryableError(error);
  }
  return error instanceof Error && error.cause !== undefined && isAway(error.cause);
}
