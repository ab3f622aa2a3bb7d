/** The calls on SKUs as the OpenAPI document describes them. skus.ts carries them out. */
import { createRoute } from '@hono/zod-openapi';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED } from '../http/entity-tags.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import { BODY_PROBLEMS, keyedResponses, responsesOf } from '../schemas/problem.ts';
import { countBody, putSkuBody, restockBody, skuParams, skuSchema } from '../schemas/skus.ts';
import { noQuery } from '../schemas/values.ts';
import { IF_MATCH_PARAMETER, IF_NONE_MATCH_PARAMETER } from './sku-conditions.ts';

const tags = ['SKUs'];
const reply = { headers: ETAG_HEADER, content: { 'application/json': { schema: skuSchema } } };

export const put = createRoute({
  method: 'put',
  path: '/skus/{sku}',
  operationId: 'putSku',
  tags,
  summary: 'Create a SKU with its first units, or change its name and price',
  description:
    'To change the units on hand of an existing SKU, use `POST /v1/skus/{sku}/restocks` or `POST /v1/skus/{sku}/counts`, so that no sale is overwritten.',
  parameters: [IF_MATCH_PARAMETER, IF_NONE_MATCH_PARAMETER],
  request: {
    params: skuParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: putSkuBody } } },
  },
  responses: responsesOf(
    { 200: { description: 'Changed', ...reply }, 201: { description: 'Created', ...reply } },
    ...BODY_PROBLEMS,
    'on_hand_set_at_creation',
    'precondition_failed',
  ),
});

export const get = createRoute({
  method: 'get',
  path: '/skus/{sku}',
  operationId: 'getSku',
  tags,
  summary: 'Read a SKU and its stock',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: skuParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The SKU', ...reply }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

export const restock = createRoute({
  method: 'post',
  path: '/skus/{sku}/restocks',
  operationId: 'restockSku',
  tags,
  summary: 'Add units on hand',
  parameters: [IDEMPOTENCY_KEY_PARAMETER, IF_MATCH_PARAMETER],
  request: {
    params: skuParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: restockBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'Added. The SKU as it is now', ...reply } },
    'not_found',
    'stock_limit_exceeded',
    'precondition_failed',
  ),
});

export const count = createRoute({
  method: 'post',
  path: '/skus/{sku}/counts',
  operationId: 'countSku',
  tags,
  summary: 'Set the units on hand to a counted number, if they are as expected',
  parameters: [IDEMPOTENCY_KEY_PARAMETER, IF_MATCH_PARAMETER],
  request: {
    params: skuParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: countBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'Counted. The SKU as it is now', ...reply } },
    'not_found',
    'on_hand_changed',
    'on_hand_below_reserved',
    'precondition_failed',
  ),
});
