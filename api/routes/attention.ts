/** The orders that need a person, and what people did to an order. What they do is in interventions.ts. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { listInterventions, listOpenMarks } from '../../db/attention.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { requireOrder } from '../orders/require-order.ts';
import {
  attentionQuery,
  interventionList,
  toInterventionReply,
  markPage,
  toMarkReply,
  formatMarkCursor,
} from '../schemas/attention.ts';
import { orderParams } from '../schemas/orders.ts';
import { toPage } from '../schemas/page.ts';
import { problemResponses } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';

const list = createRoute({
  method: 'get',
  path: '/attention',
  operationId: 'listAttention',
  tags: ['Attention'],
  summary: 'List the orders that need a person, oldest mark first',
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
  summary: 'List what people did to an order, oldest first',
  request: { params: orderParams, query: noQuery },
  responses: {
    200: { description: 'All interventions', content: { 'application/json': { schema: interventionList } } },
    ...problemResponses('validation_failed', 'not_found'),
  },
});

export function attentionRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(list, async (c) => {
    const { limit, cursor: after } = c.req.valid('query');
    const rows = await listOpenMarks(c.var.database, { after, limit: limit + 1 });
    const page = toPage('attention', rows, { limit, item: toMarkReply, cursorOf: formatMarkCursor });
    return c.json(linkNext(c, page), 200);
  });

  app.openapi(interventions, async (c) => {
    const { id } = c.req.valid('param');
    const rows = await listInterventions(c.var.database, id);
    // Somebody may have acted on an order that is not recorded yet because its reservation keeps failing.
    if (rows.length === 0) await requireOrder(c.var.database, id);
    return c.json({ items: rows.map(toInterventionReply) }, 200);
  });

  return app;
}
