/** What is asked of a payment's provider next, and what is recorded of its answer. Everything is decided from the rows. */
import type { Database } from '../../db/connection.ts';
import { wasGivenToWallet } from '../../db/payments/give-to-wallet.ts';
import type { PaymentToAdvance } from '../../db/payments/unsettled.ts';
import { NIL_UUID } from '../../db/schema/columns.ts';
import { markRefundSent } from '../../db/steps/payments/mark-refund-sent.ts';
import {
  recordPayment,
  type RecordedPayment,
  type RecordPaymentRequest,
} from '../../db/steps/payments/record-payment.ts';
import { returnPayment } from '../../db/steps/payments/return-payment.ts';
import {
  ProviderRefusedError,
  ProviderUnknownError,
  type PaymentProvider,
  type ProviderPayment,
} from '../../domain/payment-provider.ts';
import type { PaymentReason, RefundPaymentState } from '../../domain/payments.ts';
import { PROVIDER_ANSWER_MS } from '../../domain/timeouts.ts';
import { MASK } from '../../process/secrets.ts';
import { toPaymentReason } from './resolve.ts';
import { giveToOrdersWallet } from './wallet-provider.ts';

export interface Question {
  database: Database;
  provider: PaymentProvider;
  payment: PaymentToAdvance;
  at: string;
  isFirst: boolean;
  /** See {@link AdvanceRequest}. */
  quietSince: string | null;
  /** Hears of each move that is recorded, once. */
  onMove?: ((moved: RecordedPayment) => void) | undefined;
}

/**
 * Asks one thing, and records what is known then.
 * @throws {ProviderUnknownError} when nobody knows more than before, and {@link WalletFullError}.
 */
export function askNext(question: Question): Promise<void> {
  const { state, secures, owed } = question.payment;
  switch (state) {
    case 'pending':
      return authorise(question);
    case 'authorised':
      return secures ? lookAgain(question) : letGo(question);
    case 'capturing':
      return capture(question);
    case 'captured':
      if (!secures) return giveBack(question);
      return owed.length > 0 ? sendRefund(question) : Promise.resolve();
    case 'declined':
    case 'voided':
      return lookAgain(question);
    case 'returned':
      return Promise.resolve();
  }
}

async function authorise(question: Question): Promise<void> {
  const { provider, payment, isFirst } = question;
  const mayAsk = mayBeOpened(payment);
  const found = isFirst && mayAsk ? await ask(question) : await provider.find(payment.id);
  if (found) return recordFound(question, found);
  if (mayAsk) return recordFound(question, await ask(question));
  if (payment.method === 'provider' && !isQuiet(question))
    throw new ProviderUnknownError('The payment provider does not know the payment yet.');
  await record(question, { state: 'voided', reason: reasonOr(payment, 'unknown_to_provider') });
}

/** Whether its provider may be asked to open it. */
export const mayBeOpened = ({ state, secures, method, source }: PaymentToAdvance): boolean =>
  state === 'pending' && secures && (method === 'wallet' || source !== null);

/** Whether the last question that may open it has arrived at its provider by now, as far as anybody can know. */
const isQuiet = ({ at, quietSince }: Question): boolean =>
  quietSince !== null && Date.parse(at) - Date.parse(quietSince) >= PROVIDER_ANSWER_MS;

async function ask({ provider, payment }: Question): Promise<ProviderPayment> {
  const { id: reference, orderId, amount, currency, source } = payment;
  try {
    return await provider.authorise({ reference, orderId, amount, currency, source: source ?? '' });
  } catch (error) {
    if (!(error instanceof ProviderRefusedError)) throw error;
    const reason = error.code;
    return {
      id: '',
      reference,
      order: orderId,
      state: 'declined',
      amount,
      currency,
      captured: 0,
      refunded: 0,
      reason,
    };
  }
}

/** Takes over what the provider says of a payment that was not captured yet. */
async function recordFound(question: Question, found: ProviderPayment): Promise<void> {
  const { payment } = question;
  const difference = differenceOf(payment, found);
  if (difference) return refuse(question, found, difference);
  if (found.state === 'pending') {
    await record(question, { state: 'pending', ...idOf(found) });
    // Whatever its provider decided, it would be given back.
    if (!payment.secures) return letGo({ ...question, payment: { ...payment, providerId: found.id } });
    throw new ProviderUnknownError('The payment provider has not decided on the payment yet.');
  }
  if (found.state === payment.state) return;
  const reason = reasonOf(found, payment) ?? (payment.secures ? undefined : reasonOr(payment, 'order_over'));
  const recorded = await record(question, {
    state: found.state,
    ...idOf(found),
    ...(reason !== undefined && { reason }),
  });
  // While this question was under way, the payment was given up.
  if (recorded.state === 'voided' || recorded.state === 'declined')
    await takeNothing(question.provider, found);
}

const idOf = ({ id }: ProviderPayment): { providerId?: string } => (id === '' ? {} : { providerId: id });

/** How what the provider has differs from what it was asked for; null for a payment of which it has taken and keeps nothing. */
function differenceOf(payment: PaymentToAdvance, found: ProviderPayment): PaymentReason | null {
  if (found.state === 'declined' || found.state === 'voided') return null;
  if (found.order !== payment.orderId) return 'wrong_order';
  if (found.currency !== payment.currency) return 'wrong_currency';
  const isCapturedInPart = found.state === 'captured' && found.captured !== payment.amount;
  return found.amount !== payment.amount || isCapturedInPart ? 'wrong_amount' : null;
}

/** Gives back what the provider has, which is not what it was asked for, and declines the payment. */
async function refuse(question: Question, found: ProviderPayment, reason: PaymentReason): Promise<void> {
  await takeNothing(question.provider, found);
  await record(question, { state: 'declined', ...idOf(found), reason });
}

/** @throws {ProviderUnknownError} when it is not known to have nothing in the end. */
export async function takeNothing(provider: PaymentProvider, found: ProviderPayment): Promise<void> {
  const { id, reference, captured, refunded, state } = found;
  try {
    if (state === 'captured' && captured > refunded)
      await provider.refund({ id }, { reference: NIL_UUID, amount: captured - refunded });
    if (state === 'authorised' || state === 'pending') await provider.void({ id, reference });
  } catch (error) {
    if (!(error instanceof ProviderRefusedError)) throw error;
    throw new ProviderUnknownError(`The payment provider does not give the money back (${error.code}).`, {
      cause: error,
    });
  }
}

async function letGo(question: Question): Promise<void> {
  const { provider, payment } = question;
  let found: ProviderPayment | undefined;
  try {
    found = await provider.void({ id: await providerIdOf(question), reference: payment.id });
  } catch (error) {
    if (!(error instanceof ProviderRefusedError)) throw error;
    found = await provider.find(payment.id);
  }
  if (found?.state === 'authorised' || found?.state === 'pending')
    throw new ProviderUnknownError('The payment provider does not void the payment.');
  const reason = reasonOr(payment, 'order_over');
  if (found?.state === 'captured') return recordFound(question, found);
  await record(question, { state: found?.state ?? 'voided', reason });
}

async function capture(question: Question): Promise<void> {
  const { provider, payment, isFirst } = question;
  const { id: reference, amount } = payment;
  const id = await providerIdOf(question);
  const before = isFirst ? undefined : await provider.find(reference);
  if (before && before.state !== 'authorised') return recordCaptured(question, before);
  let after: ProviderPayment | undefined;
  try {
    after = await provider.capture({ id, reference, amount });
  } catch (error) {
    if (!(error instanceof ProviderRefusedError)) throw error;
    after = await provider.find(reference);
    if (after?.state !== 'captured') {
      // Refused for good: what is still set aside there is let go.
      if (after) await takeNothing(provider, after);
      const reason = (after && reasonOf(after, payment)) ?? error.code;
      await record(question, { state: 'declined', reason });
      return;
    }
  }
  await recordCaptured(question, after);
}

function recordCaptured(question: Question, found: ProviderPayment): Promise<void> {
  if (found.state === 'authorised' || found.state === 'pending')
    throw new ProviderUnknownError('The payment provider has not captured the payment yet.');
  return recordFound(question, found);
}

async function giveBack(question: Question): Promise<void> {
  const { database, payment, at, onMove } = question;
  const { id: paymentId, amount } = payment;
  const went = await send(question, { reference: NIL_UUID, amount });
  const reason = went === 'to_wallet' ? 'refund_refused' : reasonOr(payment, 'order_over');
  const returned = await returnPayment(database, { paymentId, reason, at });
  if (returned.changed) onMove?.(returned);
}

async function sendRefund(question: Question): Promise<void> {
  const { database, payment } = question;
  const [owed] = payment.owed;
  if (!owed) return;
  const { commandId, amount } = owed;
  await send(question, { reference: commandId, amount });
  await markRefundSent(database, { paymentId: payment.id, commandId });
}

/** Gives money back where it came from, or into the order's wallet when its provider refuses that for good. */
async function send(
  { database, provider, payment }: Question,
  refund: { reference: string; amount: number },
): Promise<RefundPaymentState> {
  const toWallet = { paymentId: payment.id, commandId: refund.reference };
  // An attempt that died had heard the refusal. Its provider may have changed its mind since, and the buyer must not get it twice.
  if (payment.method === 'provider' && (await wasGivenToWallet(database, toWallet))) return 'to_wallet';
  try {
    await provider.refund({ id: await providerIdOf({ provider, payment }) }, refund);
    return 'sent';
  } catch (error) {
    if (!(error instanceof ProviderRefusedError)) throw error;
    // Somebody gave it back at the provider by hand, or it never had it: the buyer must not get it twice.
    if (error.code === 'refund_too_large' || payment.method === 'wallet') {
      const found = await provider.find(payment.id);
      const others = (found?.refunded ?? 0) - payment.sent;
      if (payment.method === 'provider' && others >= refund.amount) return 'sent';
      throw new ProviderUnknownError(
        `Less than the ${refund.amount} that are owed are left of the payment, and ${others} were given back besides our refunds.`,
        { cause: error },
      );
    }
    await giveToOrdersWallet(database, toWallet);
    return 'to_wallet';
  }
}

/** Somebody said that something happened to a payment that waits, or was over. */
async function lookAgain(question: Question): Promise<void> {
  const { provider, payment } = question;
  const found = await provider.find(payment.id);
  if (!found) return;
  if (payment.state === 'authorised') return recordFound(question, found);
  // Money that came all the same is recorded as captured, and given back as what it is; anything else is not ours to record.
  if (found.state === 'captured' && found.captured > found.refunded && differenceOf(payment, found) === null)
    await record(question, { state: 'captured', ...idOf(found) });
  else await takeNothing(provider, found);
}

async function record(
  { database, payment, at, onMove }: Question,
  outcome: Omit<RecordPaymentRequest, 'paymentId' | 'at'>,
): Promise<RecordedPayment> {
  const recorded = await recordPayment(database, { paymentId: payment.id, at, ...outcome });
  if (recorded.changed) onMove?.(recorded);
  return recorded;
}

/** A wallet knows a payment by our id. */
async function providerIdOf({ provider, payment }: Pick<Question, 'provider' | 'payment'>): Promise<string> {
  const { id, method, providerId } = payment;
  if (method === 'wallet') return id;
  if (providerId !== null) return providerId;
  // A person said how it stands, while its provider said nothing.
  const found = await provider.find(id);
  if (found) return found.id;
  throw new ProviderUnknownError('The payment provider does not know the payment.');
}

const reasonOr = ({ reason }: PaymentToAdvance, unless: PaymentReason): string => reason ?? unless;

/** The provider's own words, as far as they can be kept: a provider may quote what the buyer pays with, which is nobody else's to read. */
const reasonOf = ({ reason }: ProviderPayment, { source }: PaymentToAdvance): string | undefined => {
  if (reason === undefined) return undefined;
  return toPaymentReason(source === null ? reason : reason.replaceAll(source, MASK));
};
