/** The payments of an order in the model: what each of their steps does, as plainly as it can be said in memory. */
import type { OpenPaymentRequest, StepResult } from '../../activities/order.ts';
import { NIL_UUID } from '../../db/schema/columns.ts';
import type { RecordPaymentRequest } from '../../db/steps/payments/record-payment.ts';
import type { PaymentMode } from '../../domain/order.ts';
import {
  PAYMENTS_LIMIT,
  mayPaymentMove,
  type PaymentMethod,
  type PaymentState,
} from '../../domain/payments.ts';
import type { RestingStage } from '../../domain/stages.ts';

export interface Payment {
  id: string;
  method: PaymentMethod;
  amount: number;
  /** In order of their versions: the last is how it stands. */
  states: PaymentState[];
  secures: boolean;
  refunded: number;
  /** Whether its wallet holds money for it, or how it ended that. Null for a payment from outside, and before it was asked. */
  hold: 'held' | 'captured' | 'voided' | 'declined' | null;
  /** What of the order's refunds it gives back, and whether it did, by their commands. */
  refunds: Record<string, { amount: number; isSent: boolean }>;
}

export interface PayableOrder {
  paymentMode: PaymentMode;
  stage: RestingStage;
  /** Null when it was never priced. */
  total: number | null;
  /** In order of their opening. */
  payments: Payment[];
}

/** The order's wallet, as far as payments change it. */
export interface Purse {
  posted: number;
  held: number;
}

export const latestOf = ({ states }: Payment): PaymentState => states.at(-1) ?? 'pending';

/** What of the order is secured. */
export const securedOf = ({ payments }: PayableOrder): number =>
  payments.filter(({ secures }) => secures).reduce((sum, { amount }) => sum + amount, 0);

export function openPayment(
  order: PayableOrder,
  { commandId, method, amount }: OpenPaymentRequest,
): StepResult {
  const { stage, payments } = order;
  const refuse = (refusal: string): StepResult => ({ stage, reason: null, refusal });
  if (stage !== 'awaiting_payment') return refuse('order_not_payable');
  const left = (order.total ?? 0) - securedOf(order);
  const asked = amount ?? left;
  if (order.paymentMode === 'hold' || asked > left || asked <= 0) return refuse('payment_exceeds_total');
  if (payments.length >= PAYMENTS_LIMIT) return refuse('order_busy');
  payments.push({
    id: commandId,
    method,
    amount: asked,
    states: ['pending'],
    secures: true,
    refunded: 0,
    hold: null,
    refunds: {},
  });
  return { stage, reason: null, refusal: null };
}

/** Whether the order is to become paid by its payments; otherwise what it waits for. */
export function cover(order: PayableOrder): 'paid' | 'capturing' | 'not_covered' {
  const sumOf = (...states: PaymentState[]): number =>
    order.payments
      .filter((payment) => payment.secures && states.includes(latestOf(payment)))
      .reduce((sum, { amount }) => sum + amount, 0);
  const total = order.total ?? 0;
  if (sumOf('authorised', 'capturing', 'captured') < total) return 'not_covered';
  if (sumOf('captured') >= total) return 'paid';
  for (const payment of order.payments)
    if (payment.secures && latestOf(payment) === 'authorised') payment.states.push('capturing');
  return 'capturing';
}

/** Whether the money that covers the order is being taken, or is. */
export function isTaken({ payments, total }: PayableOrder): boolean {
  const taken = payments.filter(
    (payment) => payment.secures && ['capturing', 'captured'].includes(latestOf(payment)),
  );
  return taken.length > 0 && taken.reduce((sum, { amount }) => sum + amount, 0) >= (total ?? 0);
}

/** Moves a payment where its provider has it, if there is such a move. */
export function record(payment: Payment, { state }: Pick<RecordPaymentRequest, 'state'>): boolean {
  const isMove = mayPaymentMove(latestOf(payment), state);
  if (!isMove) return false;
  payment.states.push(state);
  if (state === 'declined' || state === 'voided') payment.secures = false;
  return true;
}

/** Gives a payment up that nothing takes yet. */
export function requestVoid(payment: Payment): void {
  const state = latestOf(payment);
  if (state === 'pending' || state === 'authorised') payment.secures = false;
}

/** The order is over: it counts on none of its payments, and its wallet holds nothing for them. */
export function giveUp({ payments }: PayableOrder, purse: Purse): void {
  for (const payment of payments) {
    payment.secures = false;
    letGo(payment, purse);
  }
}

function letGo(payment: Payment, purse: Purse): void {
  if (payment.hold !== 'held') return;
  purse.held -= payment.amount;
  payment.hold = 'voided';
}

/** Does the one next thing for a payment by wallet. */
export function advance(payment: Payment, isAwaiting: boolean, purse: Purse): void {
  const { amount, secures, refunds } = payment;
  switch (latestOf(payment)) {
    case 'pending': {
      const isHeld = isAwaiting && secures && purse.posted - purse.held >= amount;
      if (!secures) record(payment, { state: 'voided' });
      else record(payment, { state: isHeld ? 'authorised' : 'declined' });
      if (secures) payment.hold = isHeld ? 'held' : 'declined';
      if (isHeld) purse.held += amount;
      return;
    }
    case 'authorised':
      if (secures) return;
      letGo(payment, purse);
      record(payment, { state: 'voided' });
      return;
    case 'capturing':
      // Its order ended in the meantime, and let go of the money.
      if (payment.hold === 'voided') return void record(payment, { state: 'declined' });
      purse.posted -= amount;
      purse.held -= amount;
      payment.hold = 'captured';
      record(payment, { state: 'captured' });
      return;
    case 'captured':
      if (!secures) {
        purse.posted += amount;
        payment.states.push('returned');
      }
      for (const owed of Object.values(refunds)) {
        if (!owed.isSent) purse.posted += owed.amount;
        owed.isSent = true;
      }
      return;
    case 'declined':
    case 'voided':
    case 'returned':
  }
}

/** Owes a refund of the order to its payments: to those from outside first, each in the order of their opening. */
export function owe({ payments }: PayableOrder, commandId: string | null, amount: number): void {
  let left = amount;
  const byMethod = (method: PaymentMethod) => payments.filter((payment) => payment.method === method);
  for (const payment of [...byMethod('provider'), ...byMethod('wallet')].filter(({ secures }) => secures)) {
    const part = Math.min(left, payment.amount - payment.refunded);
    if (part === 0) continue;
    payment.refunded += part;
    payment.refunds[commandId ?? NIL_UUID] = { amount: part, isSent: false };
    left -= part;
  }
}
