/** The catalogue and its stock. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { ON_HAND_LIMIT, findSku, putSku, restockSku } from '../../db/catalogue.ts';
import type { Dependencies } from '../dependencies.ts';
import { IDEMPOTENCY_KEY_PARAMETER, answerOnce } from '../idempotency.ts';
import { Problem } from '../problems.ts';
import { BODY_PROBLEMS, keyedResponses, problemResponses } from '../schemas/problem.ts';
import { putSkuBody, restockBody, skuParams, skuReply, skuSchema } from '../schemas/skus.ts';
import { noQuery } from '../schemas/values.ts';

const tags = ['SKUs'];
const content = { 'application/json': { schema: skuSchema } };

const put = createRoute({
  method: 'put',
  path: '/skus/{sku}',
  operationId: 'putSku',
  tags,
  summary: 'Create a SKU, or change its name, price and units on hand',
  request: {
    params: skuParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: putSkuBody } } },
  },
  responses: {
    200: { description: 'Changed', content },
    201: { description: 'Created', content },
    ...problemResponses(...BODY_PROBLEMS, 'on_hand_below_reserved'),
  },
});

const get = createRoute({
  method: 'get',
  path: '/skus/{sku}',
  operationId: 'getSku',
  tags,
  summary: 'Read a SKU and its stock',
  request: { params: skuParams, query: noQuery },
  responses: {
    200: { description: 'The SKU', content },
    ...problemResponses('validation_failed', 'not_found'),
  },
});

const restock = createRoute({
  method: 'post',
  path: '/skus/{sku}/restocks',
  operationId: 'restockSku',
  tags,
  summary: 'Add units on hand',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: skuParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: restockBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'Added; the SKU as it is now', content } },
    'not_found',
    'stock_limit_exceeded',
  ),
});

export function skuRoutes(dependencies: Dependencies): OpenAPIHono {
  const { database } = dependencies;
  const app = new OpenAPIHono();

  app.openapi(put, async (c) => {
    const { name, price, onHand } = c.req.valid('json');
    const terms = {
      sku: c.req.valid('param').sku,
      name,
      price: price.amount,
      currency: price.currency,
      onHand,
    };
    const result = await putSku(database, terms);
    if (result.outcome === 'below_reserved')
      throw new Problem('on_hand_below_reserved', `Open orders hold ${result.reserved} units.`);
    return c.json(skuReply(result.sku), result.outcome === 'created' ? 201 : 200);
  });

  app.openapi(get, async (c) => {
    const { sku: name } = c.req.valid('param');
    const found = await findSku(database, name);
    if (!found) throw unknown(name);
    return c.json(skuReply(found), 200);
  });

  app.openapi(restock, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    return answerOnce(
      c,
      dependencies,
      { operation: 'restockSku', request: { param, json } },
      async (movementId) => {
        const result = await restockSku(database, { movementId, ...param, ...json });
        switch (result.outcome) {
          case 'unknown_sku':
            throw unknown(param.sku);
          case 'limit_exceeded':
            throw new Problem('stock_limit_exceeded', `A SKU has at most ${ON_HAND_LIMIT} units on hand.`);
          case 'booked':
            return { status: 201, body: skuReply(result.sku) };
        }
      },
    );
  });

  return app;
}

const unknown = (sku: string) => new Problem('not_found', `There is no SKU ${sku}.`);
