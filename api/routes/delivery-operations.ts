/** The calls on what webhooks were sent, as the OpenAPI document describes them. deliveries.ts carries them out. */
import { createRoute } from '@hono/zod-openapi';
import { MOST_REDELIVERED } from '../../domain/webhooks.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED } from '../http/entity-tags.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import {
  attemptPage,
  attemptsQuery,
  deliveriesQuery,
  deliveryPage,
  deliveryParams,
  deliverySchema,
} from '../schemas/deliveries.ts';
import { keyedResponses, responsesOf } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';
import { redeliverBody, redeliveredSchema, webhookParams } from '../schemas/webhooks.ts';

const tags = ['Webhooks'];
const content = { 'application/json': { schema: deliverySchema } };

export const sendTest = createRoute({
  method: 'post',
  path: '/webhooks/{id}/test-events',
  operationId: 'sendTestEvent',
  tags,
  summary: 'Send an event of the type `webhook.test`',
  description: 'The answer is the delivery: read it again to learn its outcome.',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: { params: webhookParams, query: noQuery },
  responses: keyedResponses(
    { 201: { description: 'It will be sent at once', content } },
    'not_found',
    'webhook_disabled',
    'webhooks_unavailable',
  ),
});

export const redeliver = createRoute({
  method: 'post',
  path: '/webhooks/{id}/redeliveries',
  operationId: 'redeliverEvents',
  tags,
  summary: 'Send an event once more, or all that were to be sent in a range of time',
  description: `An event of the shop by its \`eventId\`, or those that were to be sent to this webhook from \`from\` until before \`to\`, at most ${MOST_REDELIVERED.toLocaleString('en')}. Each is sent with the \`webhook-id\` that it had and the header \`holdfast-delivery-kind: redelivery\`. One that still waits for its first success is tried at once instead.`,
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: webhookParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: redeliverBody } } },
  },
  responses: keyedResponses(
    {
      200: {
        description: 'They will be sent',
        content: { 'application/json': { schema: redeliveredSchema } },
      },
    },
    'not_found',
    'incompatible_parameters',
    'webhook_disabled',
    'too_many_events',
    'webhooks_unavailable',
  ),
});

export const list = createRoute({
  method: 'get',
  path: '/webhooks/{id}/deliveries',
  operationId: 'listDeliveries',
  tags,
  summary: 'List what was or is to be sent to a webhook, newest first',
  request: { params: webhookParams, query: deliveriesQuery },
  responses: responsesOf(
    { 200: { description: 'A page', content: { 'application/json': { schema: deliveryPage } } } },
    'validation_failed',
    'not_found',
  ),
});

export const get = createRoute({
  method: 'get',
  path: '/webhooks/{id}/deliveries/{deliveryId}',
  operationId: 'getDelivery',
  tags,
  summary: 'Read the outcome of one delivery',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: deliveryParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The delivery', headers: ETAG_HEADER, content }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

export const listAttempts = createRoute({
  method: 'get',
  path: '/webhooks/{id}/deliveries/{deliveryId}/attempts',
  operationId: 'listDeliveryAttempts',
  tags,
  summary: 'List the attempts to deliver, the first one first',
  description: 'A number is missing when the process that tried was killed.',
  request: { params: deliveryParams, query: attemptsQuery },
  responses: responsesOf(
    { 200: { description: 'A page', content: { 'application/json': { schema: attemptPage } } } },
    'validation_failed',
    'not_found',
  ),
});
