/** Describes the calls about findings. */
import { createRoute } from '@hono/zod-openapi';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED } from '../http/entity-tags.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import {
  findingPage,
  findingParams,
  findingSchema,
  findingToDecide,
  findingsQuery,
  repairBody,
  resolveBody,
} from '../schemas/findings.ts';
import { keyedResponses, responsesOf } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';

const tags = ['Reconciliation'];
const content = { 'application/json': { schema: findingSchema } };

export const list = createRoute({
  method: 'get',
  path: '/findings',
  operationId: 'listFindings',
  tags,
  summary: 'List what reconciliation found, newest first',
  request: { query: findingsQuery },
  responses: responsesOf(
    { 200: { description: 'A page of findings', content: { 'application/json': { schema: findingPage } } } },
    'validation_failed',
  ),
});

export const get = createRoute({
  method: 'get',
  path: '/findings/{id}',
  operationId: 'getFinding',
  tags,
  summary: 'Read a finding, and what may be decided about it',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: findingParams, query: noQuery },
  responses: responsesOf(
    {
      200: {
        description: 'The finding',
        headers: ETAG_HEADER,
        content: { 'application/json': { schema: findingToDecide } },
      },
      ...NOT_MODIFIED,
    },
    'validation_failed',
    'not_found',
  ),
});

export const resolve = createRoute({
  method: 'post',
  path: '/findings/{id}/resolve',
  operationId: 'resolveFinding',
  tags,
  summary: 'Decide what becomes of a finding',
  description:
    'Carries out one of the `choices` of the finding, in one transaction. A choice that would break a rule is refused, and then nothing is changed. What was decided is kept with its `actor` and `reason`, and reconciliation leaves it alone.',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: findingParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: resolveBody } } },
  },
  responses: keyedResponses(
    { 200: { description: 'Decided, now or earlier', content } },
    'not_found',
    'finding_closed',
    'choice_not_allowed',
  ),
});

export const repair = createRoute({
  method: 'post',
  path: '/findings/{id}/repair',
  operationId: 'repairFinding',
  tags,
  summary: 'Repair what a finding is about',
  description:
    'Sets wrong counters and figures to what they sum, and does now what the next run of reconciliation would do. The counter may be right, and what it sums wrong: look first.',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: findingParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: repairBody } } },
  },
  responses: keyedResponses(
    { 200: { description: 'Repaired, now or earlier', content } },
    'not_found',
    'finding_closed',
    'not_repairable',
  ),
});
