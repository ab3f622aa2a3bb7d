/** The calls on payments as the OpenAPI document describes them. payments.ts and payment-notifications.ts carry them out. */
import { createRoute } from '@hono/zod-openapi';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED } from '../http/entity-tags.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import { SIGNATURE_PARAMETERS } from '../payments/signature.ts';
import { orderParams } from '../schemas/orders.ts';
import {
  addPaymentBody,
  paymentNotificationBody,
  paymentPage,
  paymentParams,
  paymentSchema,
  paymentsQuery,
} from '../schemas/payments.ts';
import {
  LENGTH_PROBLEMS,
  keyedResponses,
  onlyProblems,
  problemResponses,
  responsesOf,
} from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';

const tags = ['Payments'];
const content = { 'application/json': { schema: paymentSchema } };
const parameters = [IDEMPOTENCY_KEY_PARAMETER];

export const add = createRoute({
  method: 'post',
  path: '/orders/{id}/payments',
  operationId: 'addPayment',
  tags,
  summary: 'Pay an order, or a part of it, by wallet or by provider',
  description:
    'The order is paid once its payments cover its total: then all of them are captured. The answer shows the payment as it is after a few seconds at most. One that is `pending` or `authorised` is no failure: read it again. A payment that is declined is recorded, named by `paymentId`, and the order awaits payment until its deadline.',
  parameters,
  request: {
    params: orderParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: addPaymentBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'The payment, as far as it is known', content } },
    'not_found',
    'payment_exceeds_total',
    'payment_declined',
    'insufficient_funds',
    'too_many_payments',
    'order_not_payable',
    'order_expired',
    'order_cancelled',
    'order_busy',
    'too_many_refused_payments',
    'payments_unavailable',
  ),
});

export const list = createRoute({
  method: 'get',
  path: '/orders/{id}/payments',
  operationId: 'listOrderPayments',
  tags,
  summary: 'List the payments of an order, oldest first',
  description: 'An order that its wallet paid with `POST /v1/orders/{id}/pay` has none.',
  request: { params: orderParams, query: paymentsQuery },
  responses: {
    200: { description: 'A page of payments', content: { 'application/json': { schema: paymentPage } } },
    ...problemResponses('validation_failed', 'not_found'),
  },
});

export const get = createRoute({
  method: 'get',
  path: '/payments/{id}',
  operationId: 'getPayment',
  tags,
  summary: 'Read a payment',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: paymentParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The payment', headers: ETAG_HEADER, content }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

export const voidOne = createRoute({
  method: 'post',
  path: '/payments/{id}/void',
  operationId: 'voidPayment',
  tags,
  summary: 'Give up a payment that is not captured yet',
  description:
    'Takes no body. The order counts on it no more. What was set aside is released; money that came all the same is given back.',
  parameters,
  request: { params: paymentParams, query: noQuery },
  responses: keyedResponses(
    { 200: { description: 'The payment, which secures nothing any more', content } },
    'not_found',
    'payment_not_voidable',
  ),
});

export const notify = createRoute({
  method: 'post',
  path: '/payment-notifications',
  operationId: 'notifyOfPayment',
  tags,
  summary: 'Take a notification of the payment provider',
  description:
    'For the payment provider, which signs it as Standard Webhooks says; no other credentials are needed. It only makes Holdfast ask the provider: its contents change nothing, so it may come twice, late, or in any order.',
  parameters: [...SIGNATURE_PARAMETERS],
  request: {
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: paymentNotificationBody } } },
  },
  responses: {
    204: { description: 'It is kept, or was before' },
    ...onlyProblems(
      ...LENGTH_PROBLEMS,
      'validation_failed',
      'malformed_body',
      'malformed_request',
      'request_timeout',
      'body_too_large',
      'signature_invalid',
      'rate_limited',
      'overloaded',
      'unavailable',
      'internal_error',
    ),
  },
});
