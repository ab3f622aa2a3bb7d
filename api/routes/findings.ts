/** What reconciliation found, what it did about it, and what a person decides. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { listFindings } from '../../db/findings.ts';
import type { Deed } from '../../domain/audit.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { offerChoices, requireFinding, type FindingServers } from '../findings/read.ts';
import { canRepair, repairByRequest } from '../findings/repair.ts';
import { resolveFinding } from '../findings/resolve.ts';
import { linkNext } from '../http/addresses.ts';
import { replyWithTag } from '../http/entity-tags.ts';
import { replyExactly } from '../http/exact-reply.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { toFindingReply, toFindingToDecide } from '../schemas/findings.ts';
import { toPage } from '../schemas/page.ts';
import { get, list, repair, resolve } from './finding-operations.ts';

export function findingRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const { database: all, temporal } = dependencies;
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(list, async (c) => {
    const { limit, cursor: before, ...filter } = c.req.valid('query');
    const rows = await listFindings(c.var.database, filter, { before, limit: limit + 1 });
    const page = toPage('findings', rows, { limit, item: toFindingReply, cursorOf: ({ id }) => id });
    return replyExactly(c, linkNext(c, page));
  });

  app.openapi(get, async (c) => {
    const servers = serversOf(c);
    const finding = await requireFinding(servers, c.req.valid('param').id);
    const choices = await offerChoices(servers, finding);
    const repairable = finding.state === 'open' && canRepair(finding.kind);
    return replyWithTag(c, toFindingToDecide(finding, { choices, repairable }));
  });

  app.openapi(resolve, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: resolve.operationId, request: { param, json } };
    return answerOnce(c, dependencies, call, async () => ({
      status: 200,
      body: toFindingReply(await resolveFinding(serversOf(c), param.id, json, deedOf(c))),
    }));
  });

  app.openapi(repair, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: repair.operationId, request: { param, json } };
    return answerOnce(c, dependencies, call, async () => ({
      status: 200,
      body: toFindingReply(await repairByRequest(serversOf(c), param.id, { ...json, by: deedOf(c) })),
    }));
  });

  return app;

  function serversOf(c: Context<ApiEnv>): FindingServers {
    return { temporal, database: c.var.database, all };
  }
}

const deedOf = (c: Context<ApiEnv>): Deed => ({ actor: c.var.caller.id, requestId: c.var.requestId });
