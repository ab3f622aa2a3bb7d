/** Reads the shop's figures. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { readStats } from '../../db/stats/read.ts';
import type { ApiEnv } from '../env.ts';
import { replyExactly } from '../http/exact-reply.ts';
import { responsesOf } from '../schemas/problem.ts';
import { statsQuery, statsSchema, toStatsReply } from '../schemas/stats.ts';

const read = createRoute({
  method: 'get',
  path: '/stats',
  operationId: 'readStats',
  tags: ['Statistics'],
  summary: 'Read orders, money and units by day, for the shop or for one SKU',
  description:
    'Figures are integers with all their digits, even beyond 2^53 - 1, where most JSON parsers round. Read them with a parser that supports big integers.',
  request: { query: statsQuery },
  responses: responsesOf(
    { 200: { description: 'The figures', content: { 'application/json': { schema: statsSchema } } } },
    'validation_failed',
    'incompatible_parameters',
  ),
});

export function statRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  app.openapi(read, async (c) => {
    const { from, to, sku } = c.req.valid('query');
    const range = { shop: c.var.caller.shop, from, to, sku };
    return replyExactly(c, toStatsReply(range, await readStats(c.var.database, range)));
  });
  return app;
}
