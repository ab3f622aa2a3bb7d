/** Lets other buyers than a wallet's owner order with it. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { allowBuyer, disallowBuyer, findPermission } from '../../db/wallet-permissions.ts';
import { findWallet } from '../../db/wallets.ts';
import type { ApiEnv } from '../env.ts';
import { setLocation } from '../http/addresses.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED, replyWithTag } from '../http/entity-tags.ts';
import { Problem } from '../problems/problem.ts';
import { responsesOf } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';
import { permissionParams, permissionSchema, toPermissionReply } from '../schemas/wallet-permissions.ts';

const tags = ['Wallets'];
const path = '/wallets/{id}/permissions/{buyerId}';
const request = { params: permissionParams, query: noQuery };
const content = { 'application/json': { schema: permissionSchema } };

const allow = createRoute({
  method: 'put',
  path,
  operationId: 'allowBuyer',
  tags,
  summary: 'Let another buyer order with this wallet',
  request,
  responses: responsesOf(
    {
      200: { description: 'The buyer was allowed already', content },
      201: { description: 'Allowed', content },
    },
    'validation_failed',
    'not_found',
  ),
});

const get = createRoute({
  method: 'get',
  path,
  operationId: 'getWalletPermission',
  tags,
  summary: 'Read whether another buyer may order with this wallet',
  parameters: [KNOWN_TAG_PARAMETER],
  request,
  responses: responsesOf(
    { 200: { description: 'The buyer is allowed', headers: ETAG_HEADER, content }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

const disallow = createRoute({
  method: 'delete',
  path,
  operationId: 'disallowBuyer',
  tags,
  summary: 'Let another buyer place no further orders with this wallet',
  description: 'Orders that the buyer has placed can still be paid, and are paid from this wallet.',
  request,
  responses: responsesOf(
    { 204: { description: 'The buyer is not allowed any more, or never was' } },
    'validation_failed',
    'not_found',
  ),
});

export function walletPermissionRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(allow, async (c) => {
    const { id: walletId, buyerId } = c.req.valid('param');
    const allowed = await allowBuyer(c.var.database, { walletId, buyerId });
    if (!allowed) throw walletNotFound(walletId);
    if (allowed.outcome === 'created') setLocation(c);
    return c.json(toPermissionReply(allowed.permission), allowed.outcome === 'created' ? 201 : 200);
  });

  app.openapi(get, async (c) => {
    const { id: walletId, buyerId } = c.req.valid('param');
    const permission = await findPermission(c.var.database, { walletId, buyerId });
    if (!permission)
      throw new Problem('not_found', `The buyer has no permission to order with the wallet ${walletId}.`);
    return replyWithTag(c, toPermissionReply(permission));
  });

  app.openapi(disallow, async (c) => {
    const { id: walletId, buyerId } = c.req.valid('param');
    if (!(await findWallet(c.var.database, walletId))) throw walletNotFound(walletId);
    await disallowBuyer(c.var.database, { walletId, buyerId });
    return c.body(null, 204);
  });

  return app;
}

const walletNotFound = (id: string) => new Problem('not_found', `There is no wallet ${id}.`);
