/** The catalogue and its stock. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { countSku, findSku, putSku, restockSku, type Sku } from '../../db/skus.ts';
import { CURRENCIES } from '../../domain/currencies.ts';
import { ON_HAND_LIMIT } from '../../domain/limits.ts';
import type { Dependencies } from '../dependencies.ts';
import { taggedReply } from '../http/entity-tags.ts';
import { skuConditions, skuTag } from './sku-conditions.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { Problem } from '../problems/problem.ts';
import { retiredCurrency } from '../problems/retired-currency.ts';
import { skuOf, skuReply, skuSchema } from '../schemas/skus.ts';
import { count, get, put, restock } from './sku-operations.ts';

export function skuRoutes(dependencies: Dependencies): OpenAPIHono {
  const { database } = dependencies;
  const app = new OpenAPIHono();

  app.openapi(put, async (c) => {
    const { sku } = c.req.valid('param');
    const { name, price, onHand } = c.req.valid('json');
    const { amount, currency } = price;
    const terms = { sku, name, price: amount, currency, onHand, isCurrencyCurrent: CURRENCIES.has(currency) };
    const result = await putSku(database, { ...terms, ...skuConditions(c) });
    switch (result.outcome) {
      case 'precondition_failed':
        throw changed(sku);
      case 'on_hand_given':
        throw existing(sku);
      case 'price_refused':
        throw retiredCurrency('price.currency', currency);
      case 'created':
      case 'changed':
        c.header('ETag', skuTag(result.sku));
        return c.json(skuReply(result.sku), result.outcome === 'created' ? 201 : 200);
    }
  });

  app.openapi(get, async (c) => {
    const { sku: name } = c.req.valid('param');
    const found = await findSku(database, name);
    if (!found) throw unknown(name);
    return taggedReply(c, skuReply(found), skuTag(found));
  });

  app.openapi(restock, async (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const { ifIn } = skuConditions(c);
    const call = { operation: 'restockSku', request: { param, json, ifMatch: ifIn } };
    return tagged(
      await answerOnce(c, dependencies, call, async (movementId) => {
        const result = await restockSku(database, { movementId, ifIn, ...param, ...json });
        switch (result.outcome) {
          case 'unknown_sku':
            throw unknown(param.sku);
          case 'precondition_failed':
            throw changed(param.sku);
          case 'limit_exceeded':
            throw new Problem('stock_limit_exceeded', `A SKU has at most ${ON_HAND_LIMIT} units on hand.`);
          case 'booked':
            return { status: 201, body: skuReply(result.sku) };
        }
      }),
    );
  });

  app.openapi(count, async (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const { ifIn } = skuConditions(c);
    const call = { operation: 'countSku', request: { param, json, ifMatch: ifIn } };
    return tagged(
      await answerOnce(c, dependencies, call, async (movementId) => {
        const result = await countSku(database, { movementId, ifIn, ...param, ...json });
        switch (result.outcome) {
          case 'unknown_sku':
            throw unknown(param.sku);
          case 'precondition_failed':
            throw changed(param.sku);
          case 'unexpected':
            throw unexpected(result.sku, json.expectedOnHand);
          case 'below_reserved':
            throw new Problem('on_hand_below_reserved', `Open orders hold ${result.sku.reserved} units.`);
          case 'booked':
            return { status: 201, body: skuReply(result.sku) };
        }
      }),
    );
  });

  return app;
}

/** The tag of the SKU in an answer, also in one that was kept: it names what the caller reads. */
async function tagged(answer: Response): Promise<Response> {
  if (answer.ok) answer.headers.set('ETag', skuTag(skuOf(skuSchema.parse(await answer.clone().json()))));
  return answer;
}

const unknown = (sku: string) => new Problem('not_found', `There is no SKU ${sku}.`);

const changed = (sku: string) =>
  new Problem(
    'precondition_failed',
    `The SKU ${sku} is not as the request's conditions say. Nothing was changed: read it again.`,
  );

const existing = (sku: string) =>
  new Problem(
    'on_hand_set_at_creation',
    `The SKU ${sku} exists, so PUT changes its name and price only. Nothing was changed: leave \`onHand\` out, and change units with POST /v1/skus/${sku}/restocks or POST /v1/skus/${sku}/counts.`,
  );

const unexpected = ({ sku, onHand }: Sku, expected: number) =>
  new Problem(
    'on_hand_changed',
    `${expected} units of ${sku} were expected on hand, and there are ${onHand}. Nothing was changed.`,
    {
      onHand,
    },
  );
