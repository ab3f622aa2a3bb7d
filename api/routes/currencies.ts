/** Lists the currencies that wallets and prices may have. */
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi';
import { CURRENCIES, ISO_4217_PUBLISHED } from '../../domain/currencies.ts';
import type { ApiEnv } from '../env.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED, replyWithTag } from '../http/entity-tags.ts';
import { responsesOf } from '../schemas/problem.ts';
import { currency, noQuery } from '../schemas/values.ts';

const currencySchema = z
  .object({
    code: currency,
    minorUnits: z.int().min(0).max(4).openapi({
      example: 2,
      description: 'The digits of its minor unit: an amount of 1250 EUR is 12.50 euros',
    }),
  })
  .openapi('Currency');

const list = createRoute({
  method: 'get',
  path: '/currencies',
  operationId: 'listCurrencies',
  tags: ['Currencies'],
  summary: 'List the currencies that new wallets and prices may have, by code',
  description: `Those of ISO 4217 as published on ${ISO_4217_PUBLISHED} that have a minor unit, in one answer.`,
  parameters: [KNOWN_TAG_PARAMETER],
  request: { query: noQuery },
  responses: responsesOf(
    {
      200: {
        description: 'All of them',
        headers: ETAG_HEADER,
        content: {
          'application/json': {
            schema: z.object({ items: z.array(currencySchema) }).openapi('CurrencyList'),
          },
        },
      },
      ...NOT_MODIFIED,
    },
    'validation_failed',
  ),
});

const items = [...CURRENCIES]
  .map(([code, minorUnits]) => ({ code, minorUnits }))
  .sort((a, b) => (a.code < b.code ? -1 : 1));

export function currencyRoutes(): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  app.openapi(list, (c) => replyWithTag(c, { items }));
  return app;
}
