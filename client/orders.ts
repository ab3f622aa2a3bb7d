/** Sends the commands of callers to the workflows of orders and of their refunds. */
import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import type { OrderOwner } from '../domain/search-attributes.ts';
import { CALL_DEADLINE_MS } from '../domain/timeouts.ts';
import { orderWorkflowId, paymentWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import {
  WORKFLOW,
  cancelUpdate,
  payUpdate,
  placeUpdate,
  refundUpdate,
  addPaymentUpdate,
  type AddPaymentCommand,
  type CancelCommand,
  type CommandAnswer,
  type PayCommand,
  type PlaceAnswer,
  type ResolvePayment,
} from '../workflows/messages.ts';
import { decisionsOn, type OrderDecisions } from './decisions.ts';
import { openTemporal, type TemporalAddress, type TemporalConnection } from './connection.ts';
import { isInternal } from './errors.ts';
import {
  outcomeOfFailure,
  placeOutcomeOfFailure,
  refundOutcomeOfFailure,
  toOutcome,
  type CommandOutcome,
  type RefundOutcome,
} from './outcomes.ts';
import {
  actOutcomeOfFailure,
  sendAct,
  sendResolution,
  type Act,
  type ActOutcome,
  type ResolveOutcome,
} from './interventions.ts';
import { findOlderRefund, isRunning } from './refund-runs.ts';
import { wakePayment, type DuePayment } from './payments.ts';
import { keepRegistering, startSearchable, type Registering } from './search-attributes.ts';
import { wakeWebhook } from './webhooks.ts';
import {
  orderStart,
  refundStart,
  type Deployment,
  type NewOrder,
  type NewRefund,
  type OrderWorkflow,
  type RefundWorkflow,
  type StartPolicy,
} from './start.ts';

export type {
  Act,
  ActOutcome,
  AddPaymentCommand,
  CancelCommand,
  CommandOutcome,
  NewOrder,
  RefundOutcome,
  ResolvePayment,
};

/**
 * All that the API asks of Temporal. Every call may be repeated, and may throw {@link TemporalUnavailableError}: then nobody knows
 * whether it was carried out.
 */
export interface OrderClient extends Pick<TemporalConnection, 'check' | 'close'> {
  /**
   * Starts the order unless it runs already, and waits until its reservation is decided.
   * @param options.restart for an order whose workflow may have been terminated before the order was recorded: it begins again.
   */
  place(order: NewOrder, options?: { restart: boolean }): Promise<PlaceAnswer | 'ended'>;
  /** @param waitedMs how much of the request's time has passed already. */
  pay(orderId: string, command: PayCommand, waitedMs: number): Promise<CommandOutcome>;
  /**
   * Opens a payment of an order, and waits some seconds until it is known. An outcome `done` says only that it was opened: how the payment
   * stands is in the database, and so it is after `payment_declined` or `insufficient_funds`.
   * @param waitedMs as for {@link pay}.
   */
  addPayment(orderId: string, command: AddPaymentCommand, waitedMs: number): Promise<CommandOutcome>;
  /** Makes a payment look at what it has to do: after a notification, or because it was voided. */
  wakePayment(payment: DuePayment): Promise<void>;
  /** @param waitedMs as for {@link pay}. */
  cancel(orderId: string, command: CancelCommand, waitedMs: number): Promise<CommandOutcome>;
  /**
   * Asks for a refund of a paid order, and waits until it is made, is refused or has to wait.
   * @param options.isRetry whether it may have been asked for before.
   * @param options.waitedMs as for {@link pay}.
   * @param options.owner whose the order is, by which its refunds are found.
   * @param options.restart for a refund that is not recorded although its workflow has ended: it begins again.
   */
  requestRefund(
    refund: NewRefund,
    options: { isRetry: boolean; waitedMs: number; owner: OrderOwner; restart?: boolean },
  ): Promise<RefundOutcome>;
  /**
   * Sends what a person does to a workflow of an order, a refund or a payment.
   * @param updateId the same at every retry: then it acts once.
   */
  act(workflowId: string, updateId: string, act: Act): Promise<ActOutcome>;
  /** Says how a payment stands at its provider, for a person who knows. @param updateId as for {@link act}. */
  resolvePayment(paymentId: string, updateId: string, resolution: ResolvePayment): Promise<ResolveOutcome>;
  /** Makes what sends to a webhook look for what is due. */
  wakeWebhook(webhookId: string): Promise<void>;
  /** What decisions about findings ask of workflows. */
  decisions: OrderDecisions;
  /** Makes Temporal know the search attributes; see {@link keepRegistering}. */
  keepRegistering(registering: Registering): Promise<void>;
}

export interface OrderClientOptions extends TemporalAddress, Deployment {}

/** Opens the API's client of orders. Connects with the first call. */
export function openOrderClient({ taskQueue, runbook, ...address }: OrderClientOptions): OrderClient {
  const deployment: Deployment = { taskQueue, runbook };
  const { client, call, check, close } = openTemporal(address);
  const { workflow } = client;

  const policyOf = (afterEnd: StartPolicy['afterEnd']): Omit<StartPolicy, 'isSearchable'> => ({
    ...deployment,
    whileRunning: 'USE_EXISTING',
    afterEnd,
  });

  /** Sends a command to an order's workflow until it is answered. */
  async function command(
    orderId: string,
    { commandId, waitedMs }: { commandId: string; waitedMs: number },
    send: (order: WorkflowHandle, updateId: string) => Promise<CommandAnswer>,
  ): Promise<CommandOutcome> {
    const order = workflow.getHandle(orderWorkflowId(orderId));
    let updateId = commandId;
    try {
      const answer = await call(async () => {
        try {
          return await send(order, updateId);
        } catch (error) {
          // A workflow that was reset may have refused the command when it was sent again. Temporal never answers that update
          // afterwards, so the command is sent under another update id: its effect is idempotent by its own id.
          if (isInternal(error)) updateId = updateId === commandId ? `${commandId}-again` : commandId;
          throw error;
        }
      }, CALL_DEADLINE_MS - waitedMs);
      return toOutcome(answer);
    } catch (error) {
      return outcomeOfFailure(error);
    }
  }

  return {
    async place(order, { restart } = { restart: false }) {
      // An order whose workflow ended well was recorded, and is not placed twice.
      const policy = policyOf(restart ? 'ALLOW_DUPLICATE_FAILED_ONLY' : 'REJECT_DUPLICATE');
      try {
        return await call(() =>
          startSearchable((searchable) =>
            workflow.executeUpdateWithStart(placeUpdate, {
              updateId: 'place',
              startWorkflowOperation: new WithStartWorkflowOperation<OrderWorkflow>(
                WORKFLOW.order,
                orderStart(order, { ...policy, ...searchable }),
              ),
            }),
          ),
        );
      } catch (error) {
        return placeOutcomeOfFailure(error);
      }
    },

    pay: (orderId, payment, waitedMs) =>
      command(orderId, { commandId: payment.commandId, waitedMs }, (order, updateId) =>
        order.executeUpdate(payUpdate, { updateId, args: [payment] }),
      ),

    addPayment: (orderId, payment, waitedMs) =>
      command(orderId, { commandId: payment.paymentId, waitedMs }, (order, updateId) =>
        order.executeUpdate(addPaymentUpdate, { updateId, args: [payment] }),
      ),

    wakePayment: (payment) => call(() => wakePayment(client, deployment, payment)),

    cancel: (orderId, cancel, waitedMs) =>
      command(orderId, { commandId: cancel.commandId, waitedMs }, (order, updateId) =>
        order.executeUpdate(cancelUpdate, { updateId, args: [cancel] }),
      ),

    async requestRefund(refund, { isRetry, waitedMs, owner, restart = false }) {
      // A terminated refund always begins again: its step is idempotent by its command.
      const policy = policyOf(restart ? 'ALLOW_DUPLICATE' : 'ALLOW_DUPLICATE_FAILED_ONLY');
      // All retries share one update: however many ask, and however often, they take one of the ten that a workflow may have in
      // flight. A restart needs a new one, because the run that ended still answers the shared one.
      const updateId = restart ? `refund-${randomUUID()}` : 'refund';
      const own = refundWorkflowId(refund.orderId, refund.commandId);
      try {
        return await call(async () => {
          const older = isRetry ? await findOlderRefund(client, refund) : undefined;
          const answer =
            older === undefined
              ? await startSearchable((searchable) =>
                  workflow.executeUpdateWithStart(refundUpdate, {
                    updateId,
                    startWorkflowOperation: new WithStartWorkflowOperation<RefundWorkflow>(
                      WORKFLOW.refund,
                      refundStart(refund, owner, { ...policy, ...searchable }),
                    ),
                  }),
                )
              : await workflow.getHandle(older).executeUpdate(refundUpdate, { updateId });
          if (answer.stage !== 'refunding') return 'decided';
          // The shared update was answered when the refund began to wait. It may have ended since, and then not as it was to.
          return isRetry && !(await isRunning(client, older ?? own)) ? 'ended' : 'pending';
        }, CALL_DEADLINE_MS - waitedMs);
      } catch (error) {
        return refundOutcomeOfFailure(error);
      }
    },

    async act(workflowId, updateId, act) {
      try {
        const answer = await call(() => sendAct(workflow.getHandle(workflowId), updateId, act));
        return { outcome: 'done', ...answer };
      } catch (error) {
        return actOutcomeOfFailure(error);
      }
    },

    async resolvePayment(paymentId, updateId, resolution) {
      const payment = workflow.getHandle(paymentWorkflowId(paymentId));
      try {
        const { state } = await call(() => sendResolution(payment, updateId, resolution));
        return { outcome: 'done', state };
      } catch (error) {
        return actOutcomeOfFailure(error);
      }
    },

    wakeWebhook: (webhookId) => call(() => wakeWebhook(client, taskQueue, webhookId)),

    decisions: decisionsOn({ client, call }, deployment),
    keepRegistering: (registering) => keepRegistering(client, registering),

    check,
    close,
  };
}
