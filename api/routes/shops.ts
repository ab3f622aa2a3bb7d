/** Creates, renames and lists shops. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { findShop, listShops, putShop } from '../../db/shops.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext, setLocation } from '../http/addresses.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED, replyWithTag } from '../http/entity-tags.ts';
import { Problem } from '../problems/problem.ts';
import { toPage } from '../schemas/page.ts';
import { BODY_PROBLEMS, responsesOf } from '../schemas/problem.ts';
import { putShopBody, shopPage, shopParams, shopSchema, shopsQuery, toShopReply } from '../schemas/shops.ts';
import { noQuery } from '../schemas/values.ts';

const tags = ['Shops'];
const content = { 'application/json': { schema: shopSchema } };

const put = createRoute({
  method: 'put',
  path: '/shops/{shop}',
  operationId: 'putShop',
  tags,
  summary: 'Create a shop, or rename it',
  description: 'A shop has its own SKUs, wallets, orders and keys. It is never deleted.',
  request: {
    params: shopParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: putShopBody } } },
  },
  responses: responsesOf(
    { 200: { description: 'Renamed', content }, 201: { description: 'Created', content } },
    ...BODY_PROBLEMS,
  ),
});

const get = createRoute({
  method: 'get',
  path: '/shops/{shop}',
  operationId: 'getShop',
  tags,
  summary: 'Read a shop',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: shopParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The shop', headers: ETAG_HEADER, content }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

const list = createRoute({
  method: 'get',
  path: '/shops',
  operationId: 'listShops',
  tags,
  summary: 'List the shops of the installation, by id',
  request: { query: shopsQuery },
  responses: responsesOf(
    { 200: { description: 'A page of shops', content: { 'application/json': { schema: shopPage } } } },
    'validation_failed',
  ),
});

export function shopRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(put, async (c) => {
    const { shop: id } = c.req.valid('param');
    const { name } = c.req.valid('json');
    const { outcome, shop } = await putShop(c.var.database, { id, name });
    if (outcome === 'created') setLocation(c);
    return c.json(toShopReply(shop), outcome === 'created' ? 201 : 200);
  });

  app.openapi(get, async (c) => {
    const { shop: id } = c.req.valid('param');
    const found = await findShop(c.var.database, id);
    if (!found) throw new Problem('not_found', `There is no shop ${id}.`);
    return replyWithTag(c, toShopReply(found));
  });

  app.openapi(list, async (c) => {
    const { limit, cursor: after } = c.req.valid('query');
    const rows = await listShops(c.var.database, { after, limit: limit + 1 });
    const page = toPage('shops', rows, { limit, item: toShopReply, cursorOf: ({ id }) => id });
    return c.json(linkNext(c, page), 200);
  });

  return app;
}
