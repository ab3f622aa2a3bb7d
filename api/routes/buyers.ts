/** Erases what is known of a buyer as a person. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { erasePersonalData } from '../../db/personal-data.ts';
import type { ApiEnv } from '../env.ts';
import { buyerParams, erasureQuery } from '../schemas/personal-data.ts';
import { responsesOf } from '../schemas/problem.ts';

const erase = createRoute({
  method: 'delete',
  path: '/buyers/{buyerId}/personal-data',
  operationId: 'erasePersonalData',
  tags: ['Buyers'],
  summary: "Erase the personal data of a buyer's orders so far",
  description:
    'The `contact` and `deliveryNote` of every order of this buyer in this shop, with the key without which no copy of them can be read. Orders, payments and the audit stay, with the `buyerId`. A later order of the same buyer may have new ones.',
  request: { params: buyerParams, query: erasureQuery },
  responses: responsesOf({ 204: { description: 'Erased, or there was nothing' } }, 'validation_failed'),
});

export function buyerRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(erase, async (c) => {
    const { buyerId } = c.req.valid('param');
    const { reason: why } = c.req.valid('query');
    await erasePersonalData(c.var.database, { shopId: c.var.caller.shop, buyerId, why });
    return c.body(null, 204);
  });

  return app;
}
