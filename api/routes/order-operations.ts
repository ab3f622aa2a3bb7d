/** The calls on orders as the OpenAPI document describes them. orders.ts carries them out. */
import { createRoute } from '@hono/zod-openapi';
import { REFUND_REFUSALS, REJECTION_REASONS } from '../../domain/order.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED } from '../http/entity-tags.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import {
  cancelBody,
  createOrderBody,
  eventPage,
  eventsQuery,
  orderPage,
  orderParams,
  orderSchema,
  ordersQuery,
} from '../schemas/orders.ts';
import { keyedResponses, problemResponses, responsesOf } from '../schemas/problem.ts';
import { refundBody, refundPage, refundsQuery } from '../schemas/refunds.ts';
import { noQuery } from '../schemas/values.ts';

const tags = ['Orders'];
const content = { 'application/json': { schema: orderSchema } };
const parameters = [IDEMPOTENCY_KEY_PARAMETER];

export const create = createRoute({
  method: 'post',
  path: '/orders',
  operationId: 'createOrder',
  tags,
  summary: 'Place an order: reserve its units and, in `hold` mode, its money',
  description:
    'With `pay: true` it is paid at once. When that is refused, the order named by `orderId` is placed all the same, and may be paid until its deadline.',
  parameters,
  request: {
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: createOrderBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'Reserved until `paymentDeadline`', content } },
    'incompatible_parameters',
    ...REJECTION_REASONS,
    'order_cancelled',
    'order_expired',
    'order_not_payable',
    'order_busy',
    'too_many_refused_payments',
    'personal_data_unavailable',
  ),
});

export const get = createRoute({
  method: 'get',
  path: '/orders/{id}',
  operationId: 'getOrder',
  tags,
  summary: 'Read an order',
  description: 'With its `contact` and `deliveryNote`, if the caller may see them and they were not erased.',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: orderParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The order', headers: ETAG_HEADER, content }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
    'personal_data_unavailable',
  ),
});

export const list = createRoute({
  method: 'get',
  path: '/orders',
  operationId: 'listOrders',
  tags,
  summary: 'List orders, newest first',
  description: 'Without `contact` and `deliveryNote`.',
  request: { query: ordersQuery },
  responses: {
    200: { description: 'A page of orders', content: { 'application/json': { schema: orderPage } } },
    ...problemResponses('validation_failed', 'incompatible_parameters', 'personal_data_unavailable'),
  },
});

export const events = createRoute({
  method: 'get',
  path: '/orders/{id}/events',
  operationId: 'listOrderEvents',
  tags,
  summary: 'List the events of an order, oldest first',
  request: { params: orderParams, query: eventsQuery },
  responses: {
    200: { description: 'A page of events', content: { 'application/json': { schema: eventPage } } },
    ...problemResponses('validation_failed', 'not_found', 'events_not_kept'),
  },
});

export const pay = createRoute({
  method: 'post',
  path: '/orders/{id}/pay',
  operationId: 'payOrder',
  tags,
  summary: "Pay an order from its buyer's wallet",
  description: 'Takes no body.',
  parameters,
  request: { params: orderParams, query: noQuery },
  responses: keyedResponses(
    { 200: { description: 'Paid', content } },
    'not_found',
    'insufficient_funds',
    'order_has_payments',
    'order_not_payable',
    'order_expired',
    'order_cancelled',
    'order_busy',
    'too_many_refused_payments',
  ),
});

export const cancel = createRoute({
  method: 'post',
  path: '/orders/{id}/cancel',
  operationId: 'cancelOrder',
  tags,
  summary: 'Cancel an order. A paid order is refunded, and its units go back on hand',
  parameters,
  request: {
    params: orderParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: cancelBody } } },
  },
  responses: keyedResponses(
    { 200: { description: 'Cancelled, or refunded if it was paid', content } },
    'not_found',
    'order_not_cancellable',
    'order_too_old',
    'order_expired',
    'order_cancelled',
    'order_busy',
    'refund_pending',
  ),
});

export const refund = createRoute({
  method: 'post',
  path: '/orders/{id}/refund',
  operationId: 'refundOrder',
  tags,
  summary: 'Refund a paid order, or a part of it',
  description:
    'All that is left of the payment, an amount, or units. An order may be refunded any number of times, and never of more than was paid. The order is `refunded` once nothing is left, and stays `paid` until then.',
  parameters,
  request: {
    params: orderParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: refundBody } } },
  },
  responses: keyedResponses(
    { 200: { description: 'The order, with `refunded`', content } },
    'not_found',
    'order_not_refundable',
    'incompatible_parameters',
    ...REFUND_REFUSALS,
    'order_too_old',
    'order_busy',
    'refund_pending',
  ),
});

export const refunds = createRoute({
  method: 'get',
  path: '/orders/{id}/refunds',
  operationId: 'listOrderRefunds',
  tags,
  summary: 'List the refunds of an order, oldest first',
  request: { params: orderParams, query: refundsQuery },
  responses: {
    200: { description: 'A page of refunds', content: { 'application/json': { schema: refundPage } } },
    ...problemResponses('validation_failed', 'not_found'),
  },
});
