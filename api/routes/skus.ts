/** Creates and changes SKUs, and reads and changes their stock. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { findSku, putSku, type Sku } from '../../db/skus.ts';
import { countSku, restockSku } from '../../db/stock-movements.ts';
import { CURRENCIES } from '../../domain/currencies.ts';
import { ON_HAND_LIMIT } from '../../domain/limits.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { setLocation } from '../http/addresses.ts';
import { replyWithTag } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { Problem } from '../problems/problem.ts';
import { retiredCurrency } from '../problems/retired-currency.ts';
import { toSku, toSkuReply, skuSchema } from '../schemas/skus.ts';
import { readSkuConditions, skuTag } from './sku-conditions.ts';
import { count, get, put, restock } from './sku-operations.ts';

export function skuRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(put, async (c) => {
    const { sku } = c.req.valid('param');
    const { name, price, onHand } = c.req.valid('json');
    const { amount, currency } = price;
    const terms = {
      shopId: c.var.caller.shop,
      sku,
      name,
      price: amount,
      currency,
      onHand,
      isCurrencyCurrent: CURRENCIES.has(currency),
    };
    const result = await putSku(c.var.database, { ...terms, ...readSkuConditions(c) });
    switch (result.outcome) {
      case 'precondition_failed':
        throw preconditionFailed(sku);
      case 'on_hand_given':
        throw skuExists(sku);
      case 'price_refused':
        throw retiredCurrency('price.currency', currency);
      case 'created':
      case 'changed':
        c.header('ETag', skuTag(result.sku));
        if (result.outcome === 'created') setLocation(c);
        return c.json(toSkuReply(result.sku), result.outcome === 'created' ? 201 : 200);
    }
  });

  app.openapi(get, async (c) => {
    const { sku: name } = c.req.valid('param');
    const found = await findSku(c.var.database, { shopId: c.var.caller.shop, sku: name });
    if (!found) throw skuNotFound(name);
    return replyWithTag(c, toSkuReply(found), skuTag(found));
  });

  app.openapi(restock, async (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const { ifIn } = readSkuConditions(c);
    const call = {
      operation: restock.operationId,
      request: { param, json, ifMatch: ifIn },
      location: () => addressOf(param.sku),
    };
    return addTag(
      await answerOnce(c, dependencies, call, async (movementId) => {
        const result = await restockSku(c.var.database, {
          movementId,
          shopId: c.var.caller.shop,
          ifIn,
          ...param,
          ...json,
        });
        switch (result.outcome) {
          case 'unknown_sku':
            throw skuNotFound(param.sku);
          case 'precondition_failed':
            throw preconditionFailed(param.sku);
          case 'limit_exceeded':
            throw new Problem(
              'stock_limit_exceeded',
              `A SKU can have at most ${ON_HAND_LIMIT} units on hand.`,
            );
          case 'booked':
            return { status: 201, body: toSkuReply(result.sku) };
        }
      }),
    );
  });

  app.openapi(count, async (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const { ifIn } = readSkuConditions(c);
    const call = {
      operation: count.operationId,
      request: { param, json, ifMatch: ifIn },
      location: () => addressOf(param.sku),
    };
    return addTag(
      await answerOnce(c, dependencies, call, async (movementId) => {
        const result = await countSku(c.var.database, {
          movementId,
          shopId: c.var.caller.shop,
          ifIn,
          ...param,
          ...json,
        });
        switch (result.outcome) {
          case 'unknown_sku':
            throw skuNotFound(param.sku);
          case 'precondition_failed':
            throw preconditionFailed(param.sku);
          case 'unexpected':
            throw onHandChanged(result.sku, json.expectedOnHand);
          case 'below_reserved':
            throw new Problem('on_hand_below_reserved', `Open orders hold ${result.sku.reserved} units.`);
          case 'booked':
            return { status: 201, body: toSkuReply(result.sku) };
        }
      }),
    );
  });

  return app;
}

/** Adds the tag of the SKU in an answer. A replayed answer gets the tag of the SKU that the caller reads in it. */
async function addTag(answer: Response): Promise<Response> {
  if (!answer.ok) return answer;
  // Read first: the HTTP server's own kind of Response has other headers once it is read.
  const body: unknown = await answer.clone().json();
  answer.headers.set('ETag', skuTag(toSku(skuSchema.parse(body))));
  return answer;
}

const addressOf = (sku: string): string => `/v1/skus/${sku}`;

const skuNotFound = (sku: string) => new Problem('not_found', `There is no SKU ${sku}.`);

const preconditionFailed = (sku: string) =>
  new Problem(
    'precondition_failed',
    `The SKU ${sku} does not meet the request's conditions. Nothing was changed: read it again.`,
  );

const skuExists = (sku: string) =>
  new Problem(
    'on_hand_set_at_creation',
    `The SKU ${sku} already exists, so PUT changes only its name and price. Nothing was changed: leave \`onHand\` out, and change units with POST /v1/skus/${sku}/restocks or POST /v1/skus/${sku}/counts.`,
  );

const onHandChanged = ({ sku, onHand }: Sku, expected: number) =>
  new Problem(
    'on_hand_changed',
    `You expected ${expected} units of ${sku} on hand, but there are ${onHand}. Nothing was changed.`,
    {
      onHand,
    },
  );
