/** What reconciliation found and what it did about it. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { listFindings } from '../../db/findings.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { replyExactly } from '../http/exact-reply.ts';
import { findingPage, toFindingReply, findingsQuery } from '../schemas/findings.ts';
import { toPage } from '../schemas/page.ts';
import { responsesOf } from '../schemas/problem.ts';

const list = createRoute({
  method: 'get',
  path: '/findings',
  operationId: 'listFindings',
  tags: ['Reconciliation'],
  summary: 'List what reconciliation found, newest first',
  request: { query: findingsQuery },
  responses: responsesOf(
    { 200: { description: 'A page of findings', content: { 'application/json': { schema: findingPage } } } },
    'validation_failed',
  ),
});

export function findingRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  app.openapi(list, async (c) => {
    const { limit, cursor: before, ...filter } = c.req.valid('query');
    const rows = await listFindings(c.var.database, filter, { before, limit: limit + 1 });
    const page = toPage('findings', rows, { limit, item: toFindingReply, cursorOf: ({ id }) => id });
    return replyExactly(c, linkNext(c, page));
  });
  return app;
}
