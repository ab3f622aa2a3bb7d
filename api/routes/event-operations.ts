/** What the OpenAPI document says of published events. */
import { createRoute, z } from '@hono/zod-openapi';
import { feedPage, feedQuery, streamHeaders } from '../schemas/events.ts';
import { orderParams } from '../schemas/orders.ts';
import { problemResponses } from '../schemas/problem.ts';

export const feed = createRoute({
  method: 'get',
  path: '/events',
  operationId: 'listEvents',
  tags: ['Events'],
  summary: 'What happened to the orders of a shop, oldest first, for programs that ask again and again',
  description:
    'No event is missed and none comes twice, as long as you go on with the `nextCursor` of the last page. Events of before release 0.8 are not there.',
  request: { query: feedQuery },
  responses: {
    200: { description: 'A page of events', content: { 'application/json': { schema: feedPage } } },
    ...problemResponses('validation_failed', 'incompatible_parameters', 'events_not_kept'),
  },
});

export const stream = createRoute({
  method: 'get',
  path: '/orders/{id}/stream',
  operationId: 'streamOrder',
  tags: ['Events'],
  summary: 'The events of an order, as they happen',
  description: [
    'Server-sent events: `id` is the version of the order, `event` the type, and `data` an `Event` in JSON. Every event comes once and in order, those that were published before included.',
    'The stream ends after the last event that the order can have, and otherwise within half an hour. Then, or when it breaks, send the same request with the last `id` in `Last-Event-ID`, as standard clients do by themselves. 204 says that no event is left and none will come.',
  ].join('\n\n'),
  request: { params: orderParams, query: z.strictObject({}), headers: streamHeaders },
  responses: {
    200: {
      description: 'The stream',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    204: { description: 'The order has ended, and you have heard of everything' },
    ...problemResponses('validation_failed', 'not_found', 'events_not_kept', 'stopping'),
  },
});
