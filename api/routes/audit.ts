/** Who changed what, when and why. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { listAudit } from '../../db/audit/read.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { replyExactly } from '../http/exact-reply.ts';
import { auditPage, auditQuery, toAuditReply } from '../schemas/audit.ts';
import { toPage } from '../schemas/page.ts';
import { responsesOf } from '../schemas/problem.ts';

const list = createRoute({
  method: 'get',
  path: '/audit',
  operationId: 'listAudit',
  tags: ['Audit'],
  summary:
    'List what was changed and by whom, newest first. A change is listed once it is sealed, within a minute',
  request: { query: auditQuery },
  responses: responsesOf(
    { 200: { description: 'A page of the audit', content: { 'application/json': { schema: auditPage } } } },
    'validation_failed',
  ),
});

export function auditRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  app.openapi(list, async (c) => {
    const { limit, cursor: before, ...filter } = c.req.valid('query');
    const rows = await listAudit(c.var.database, filter, { before, limit: limit + 1 });
    const page = toPage('audit', rows, { limit, item: toAuditReply, cursorOf: ({ seq }) => seq });
    return replyExactly(c, linkNext(c, page));
  });
  return app;
}
