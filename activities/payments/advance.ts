/** The activity of a payment's workflow: does the one next thing about the payment, and says what it waits for now. */
import { asyncLocalStorage } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Database } from '../../db/connection.ts';
import { markNotificationsHandled } from '../../db/payments/notifications.ts';
import { readPaymentToAdvance, type PaymentToAdvance } from '../../db/payments/unsettled.ts';
import { PAYMENT_UNKNOWN, WALLET_FULL, type AttentionReason } from '../../domain/attention.ts';
import { NIL_UUID } from '../../db/schema/columns.ts';
import type { RecordedPayment } from '../../db/steps/payments/record-payment.ts';
import type { Step } from '../../domain/order.ts';
import {
  ProviderUnknownError,
  WalletFullError,
  type PaymentProvider,
} from '../../domain/payment-provider.ts';
import type { PaymentMethod, PaymentState } from '../../domain/payments.ts';
import { PROVIDER_SILENT_FOR_MS } from '../../domain/timeouts.ts';
import { addToLogContext } from '../../process/log-context.ts';
import { toActivityFailure } from '../errors.ts';
import { askNext, mayBeOpened } from './next-thing.ts';

export interface AdvanceRequest {
  paymentId: string;
  /** ISO 8601, the workflow's time. */
  at: string;
  /** Whether the last question had an answer. Otherwise the provider is asked how the payment stands before it is asked to do anything. */
  isFirst: boolean;
  /** Since when nobody knows how it stands, ISO 8601. */
  unknownSince: string | null;
  /** Since when its provider is not asked any more to open it, ISO 8601; null while it may be. */
  quietSince: string | null;
  /** Whether to ask how it stands although nothing is left to do. */
  isLastLook: boolean;
}

/** Why the next thing could not be done. */
export interface Trouble {
  reason: Extract<AttentionReason, 'payment_unknown' | 'wallet_full'>;
  /** The step of its order that it is about. */
  step: Step;
  /** The refund that its provider has not given back: its command, or the nil UUID for all of a payment that its order cannot use. */
  owes: string | null;
  /** In a sentence, without anything that a buyer or a provider entrusted to us. */
  says: string;
  /** Whether a person has to look. */
  needsPerson: boolean;
}

export interface Advanced {
  method: PaymentMethod;
  /** In minor units. */
  amount: number;
  currency: string;
  state: PaymentState;
  /** Whether nothing is left to do. */
  done: boolean;
  /** Whether its order waits to hear of this state. */
  tellOrder: boolean;
  /** Whether its provider may be asked to open it. */
  mayBeOpened: boolean;
  /** Whether its provider may have money of it in the end, although none was taken so far. */
  mayAppear: boolean;
  /** What it waits for: nothing, until it is asked again, or until somebody says that something changed. */
  pause: 'again' | 'ask' | 'news';
  trouble: Trouble | null;
}

export interface AdvancingActivities {
  /** May run any number of times: each question to a provider has the same effect however often it is asked. */
  advancePayment: (request: AdvanceRequest) => Promise<Advanced>;
}

export interface AdvancingOptions {
  providerOf: (method: PaymentMethod) => PaymentProvider;
  /** Milliseconds after which a person has to look at a payment of which nobody knows how it stands. */
  unknownAfter: number;
  /** Hears of each move that is recorded, once. */
  onMove?: ((moved: RecordedPayment) => void) | undefined;
}

export function createAdvancingActivities(
  database: Database,
  { providerOf, unknownAfter, onMove }: AdvancingOptions,
): AdvancingActivities {
  async function advance(request: AdvanceRequest): Promise<Advanced> {
    const payment = await readKnown(database, request.paymentId);
    addToLogContext({ orderId: payment.orderId });
    if (!hasWork(payment) && !request.isLastLook) return describe(payment, null);
    const askedAt = new Date();
    const trouble = await troubleOf(payment, request, () =>
      askNext({ database, provider: providerOf(payment.method), payment, onMove, ...request }),
    );
    if (trouble === null && payment.isNotified)
      await markNotificationsHandled(database, {
        reference: payment.id,
        receivedUntil: askedAt,
        at: new Date(),
      });
    // What it led to may be less than what it is by now: its order may have ended in the meantime.
    return describe(await readKnown(database, request.paymentId), trouble);
  }

  /** What keeps the payment from going on; null when nothing does. */
  async function troubleOf(
    payment: PaymentToAdvance,
    { at, unknownSince }: AdvanceRequest,
    ask: () => Promise<void>,
  ): Promise<Trouble | null> {
    try {
      await ask();
      return null;
    } catch (error) {
      const about = { step: stepOf(payment), owes: owedBy(payment) };
      if (error instanceof WalletFullError)
        return { reason: WALLET_FULL, ...about, says: error.message, needsPerson: true };
      if (!(error instanceof ProviderUnknownError)) throw error;
      const isUndecided = payment.state === 'pending' || payment.state === 'capturing';
      const since = isUndecided ? payment.updatedAt.getTime() : Date.parse(unknownSince ?? at);
      const needsPerson = Date.parse(at) - since >= unknownAfter;
      return { reason: PAYMENT_UNKNOWN, ...about, says: error.message, needsPerson };
    }
  }

  return {
    async advancePayment(request) {
      const context = asyncLocalStorage.getStore();
      const signs = setInterval(() => context?.heartbeat(), PROVIDER_SILENT_FOR_MS / 4);
      try {
        return await advance(request);
      } catch (error) {
        if (error instanceof ApplicationFailure) throw error;
        return await toActivityFailure<never>(`payment ${request.paymentId}`, Promise.reject(error));
      } finally {
        clearInterval(signs);
      }
    },
  };
}

async function readKnown(database: Database, paymentId: string): Promise<PaymentToAdvance> {
  const payment = await readPaymentToAdvance(database, paymentId);
  if (payment) return payment;
  throw ApplicationFailure.create({
    type: 'unknown_payment',
    message: `There is no payment ${paymentId}.`,
    nonRetryable: true,
  });
}

/** Whether its provider is to be asked something. */
function hasWork({ state, secures, owed, isNotified }: PaymentToAdvance): boolean {
  if (isNotified || state === 'pending' || state === 'capturing') return true;
  if (state === 'authorised') return !secures;
  return state === 'captured' && (!secures || owed.length > 0);
}

function describe(payment: PaymentToAdvance, trouble: Trouble | null): Advanced {
  const { method, amount, currency, state, secures, stage } = payment;
  const waitsForOrder = state === 'authorised' && secures;
  const asks = hasWork(payment);
  const pause = trouble === null ? (asks ? 'again' : 'news') : 'ask';
  return {
    method,
    amount,
    currency,
    state,
    done: trouble === null && !asks && !waitsForOrder,
    tellOrder: stage === 'awaiting_payment' && state !== 'pending' && state !== 'capturing',
    mayBeOpened: mayBeOpened(payment),
    mayAppear: method === 'provider' && (state === 'voided' || state === 'declined'),
    pause,
    trouble,
  };
}

function owedBy({ method, state, secures, owed }: PaymentToAdvance): string | null {
  if (method !== 'provider' || state !== 'captured') return null;
  return secures ? (owed[0]?.commandId ?? null) : NIL_UUID;
}

/** The step of its order that waits for the payment, or led to what it does now. */
function stepOf({ state, secures }: PaymentToAdvance): Step {
  if (state === 'pending') return 'openPayment';
  if (state === 'capturing') return 'settle';
  return state === 'captured' && secures ? 'refund' : 'release';
}
