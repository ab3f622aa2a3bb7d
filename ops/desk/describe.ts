/** Orders and what belongs to them, in lines for a terminal. */
import type {
  AttentionMark,
  Finding,
  Intervened,
  Intervention,
  Order,
  OrderEvent,
  Payment,
  Refund,
} from '@holdfast/client';

/** In one line: which order, where it is, how much, until when or since when, whose. */
export const describeOrder = ({
  id,
  stage,
  total,
  paymentDeadline,
  updatedAt,
  buyerId,
  attention,
}: Order): string =>
  [
    id,
    stage,
    total === null ? 'no total' : `${total.amount} ${total.currency}`,
    stage === 'awaiting_payment' ? `until ${toSecond(paymentDeadline)}` : `since ${toSecond(updatedAt)}`,
    `buyer ${buyerId}`,
    ...(attention ? [`needs a person: ${attention.reason}`] : []),
  ].join('  ');

export const describeMark = ({
  orderId,
  reason,
  step,
  raisedAt,
  workflowId,
  shopId,
}: AttentionMark): string =>
  [orderId, reason, `step ${step}`, `since ${toSecond(raisedAt)}`, `shop ${shopId}`, workflowId].join('  ');

export const describeFinding = ({ id, kind, subject, state, lastSeen, finding, done }: Finding): string =>
  [
    id,
    state,
    kind,
    subject,
    `seen ${toSecond(lastSeen)}`,
    done === undefined ? finding : `${finding} — ${done}`,
  ].join('  ');

export const describeLine = ({
  sku,
  quantity,
  refundedQuantity,
  unitPrice,
}: Order['lines'][number]): string =>
  [
    `${quantity} of ${sku}`,
    unitPrice === null ? 'never priced' : `at ${unitPrice}`,
    ...(refundedQuantity > 0 ? [`${refundedQuantity} refunded`] : []),
  ].join('  ');

export const describeEvent = ({ version, from, stage, reason, commandId, at }: OrderEvent): string =>
  [
    `${version}. ${toSecond(at)}`,
    from === null ? stage : `${from} to ${stage}`,
    ...(reason === undefined ? [] : [reason]),
    ...(commandId === undefined ? [] : [`command ${commandId}`]),
  ].join('  ');

export const describePayment = ({ id, method, amount, currency, state, refunded, reason }: Payment): string =>
  [
    `payment ${id}`,
    state,
    `${amount} ${currency} by ${method}`,
    ...(refunded > 0 ? [`${refunded} given back`] : []),
    ...(reason === undefined ? [] : [reason]),
  ].join('  ');

export const describeRefund = ({ amount, currency, reason, at }: Refund): string =>
  `refund of ${amount} ${currency}  ${toSecond(at)}  ${reason}`;

export const describeIntervention = ({ action, actor, reason, step, at }: Intervention): string =>
  [`${action} by ${actor}`, ...(step === undefined ? [] : [`step ${step}`]), toSecond(at), reason].join('  ');

/** What came of an act. */
export const describeOutcome = (
  orderId: string,
  { action, stage, step, paymentDeadline }: Intervened,
): string =>
  [
    `${orderId}  ${action}: ${stage}`,
    ...(step === undefined ? [] : [`step ${step}`]),
    ...(paymentDeadline === undefined ? [] : [`until ${toSecond(paymentDeadline)}`]),
  ].join('  ');

export const toSecond = (instant: string): string => `${instant.slice(0, 19)}Z`;
