/** What a person has to look at, and what persons did. They act in Temporal: see docs/operations.md. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { listInterventions, listOpenMarks } from '../../db/attention.ts';
import { findOrder } from '../../db/orders.ts';
import type { Dependencies } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import {
  attentionQuery,
  interventionList,
  interventionReply,
  markPage,
  markReply,
  placeOfMark,
} from '../schemas/attention.ts';
import { orderParams } from '../schemas/orders.ts';
import { pageOf } from '../schemas/page.ts';
import { problemResponses } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';

const list = createRoute({
  method: 'get',
  path: '/attention',
  operationId: 'listAttention',
  tags: ['Attention'],
  summary: 'List the orders that a person has to look at, oldest mark first',
  request: { query: attentionQuery },
  responses: {
    200: { description: 'A page of marks', content: { 'application/json': { schema: markPage } } },
    ...problemResponses('validation_failed'),
  },
});

const interventions = createRoute({
  method: 'get',
  path: '/orders/{id}/interventions',
  operationId: 'listOrderInterventions',
  tags: ['Attention'],
  summary: 'What persons did to an order, oldest first',
  request: { params: orderParams, query: noQuery },
  responses: {
    200: { description: 'All of it', content: { 'application/json': { schema: interventionList } } },
    ...problemResponses('validation_failed', 'not_found'),
  },
});

export function attentionRoutes({ database }: Dependencies): OpenAPIHono {
  const app = new OpenAPIHono();

  app.openapi(list, async (c) => {
    const { limit, cursor: after } = c.req.valid('query');
    const rows = await listOpenMarks(database, { after, limit: limit + 1 });
    return c.json(pageOf('attention', rows, { limit, item: markReply, placeOf: placeOfMark }), 200);
  });

  app.openapi(interventions, async (c) => {
    const { id } = c.req.valid('param');
    const rows = await listInterventions(database, id);
    // An order whose reservation keeps failing is not recorded yet, and may have been acted on.
    if (rows.length === 0 && !(await findOrder(database, id)))
      throw new Problem('not_found', `There is no order ${id}.`);
    return c.json({ items: rows.map(interventionReply) }, 200);
  });

  return app;
}
