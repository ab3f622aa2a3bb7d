/** The calls on webhooks as the OpenAPI document describes them. webhooks.ts carries them out. */
import { createRoute } from '@hono/zod-openapi';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED, CONDITION_SCHEMA } from '../http/entity-tags.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import { BODY_PROBLEMS, keyedResponses, responsesOf } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';
import {
  changeWebhookBody,
  createWebhookBody,
  rotateSecretBody,
  shownSecretSchema,
  shownWebhookSchema,
  webhookPage,
  webhookParams,
  webhookSchema,
  webhooksQuery,
} from '../schemas/webhooks.ts';

const tags = ['Webhooks'];
const reply = { headers: ETAG_HEADER, content: { 'application/json': { schema: webhookSchema } } };

const IF_MATCH_PARAMETER = {
  name: 'If-Match',
  in: 'header' as const,
  description:
    'The ETag of the webhook that the change is based on. The change is refused if the webhook was changed since.',
  schema: CONDITION_SCHEMA,
};

export const create = createRoute({
  method: 'post',
  path: '/webhooks',
  operationId: 'createWebhook',
  tags,
  summary: 'Register an address to which the events of the shop are sent',
  description:
    'From now on every event of the types that it wants is sent there, at least once, those of one order in their order, signed with the secret of the answer.',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: createWebhookBody } } },
  },
  responses: keyedResponses(
    {
      201: {
        description: 'Registered',
        content: { 'application/json': { schema: shownWebhookSchema } },
      },
    },
    'webhook_url_refused',
    'too_many_webhooks',
    'webhooks_unavailable',
  ),
});

export const list = createRoute({
  method: 'get',
  path: '/webhooks',
  operationId: 'listWebhooks',
  tags,
  summary: 'List webhooks, newest first, without their secrets',
  request: { query: webhooksQuery },
  responses: responsesOf(
    {
      200: { description: 'A page of webhooks', content: { 'application/json': { schema: webhookPage } } },
    },
    'validation_failed',
  ),
});

export const get = createRoute({
  method: 'get',
  path: '/webhooks/{id}',
  operationId: 'getWebhook',
  tags,
  summary: 'Read a webhook, without its secret',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: webhookParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The webhook', ...reply }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

export const change = createRoute({
  method: 'patch',
  path: '/webhooks/{id}',
  operationId: 'changeWebhook',
  tags,
  summary: 'Change a webhook, or switch it off or on',
  description:
    'What is left out stays as it is. Switched on again, or with another address, it starts anew: what was tried in vain is sent at once.',
  parameters: [IF_MATCH_PARAMETER],
  request: {
    params: webhookParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: changeWebhookBody } } },
  },
  responses: responsesOf(
    { 200: { description: 'Changed', ...reply } },
    ...BODY_PROBLEMS,
    'not_found',
    'precondition_failed',
    'webhook_url_refused',
  ),
});

export const remove = createRoute({
  method: 'delete',
  path: '/webhooks/{id}',
  operationId: 'removeWebhook',
  tags,
  summary: 'Remove a webhook with its secrets',
  description: 'What was to be sent there is sent no more.',
  parameters: [IF_MATCH_PARAMETER],
  request: { params: webhookParams, query: noQuery },
  responses: responsesOf(
    { 204: { description: 'Removed' } },
    'validation_failed',
    'not_found',
    'precondition_failed',
  ),
});

export const rotate = createRoute({
  method: 'post',
  path: '/webhooks/{id}/secrets',
  operationId: 'rotateWebhookSecret',
  tags,
  summary: 'Give a webhook another secret, and let the earlier ones expire',
  description: 'Until they expire, each event is signed with all of them.',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: webhookParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: rotateSecretBody } } },
  },
  responses: keyedResponses(
    { 200: { description: 'Rotated', content: { 'application/json': { schema: shownSecretSchema } } } },
    'not_found',
    'webhooks_unavailable',
  ),
});
