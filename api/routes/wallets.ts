/** Buyers' wallets. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { CURRENCIES } from '../../domain/currencies.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { createWallet, deposit, findWallet, listEntries } from '../../db/wallets.ts';
import type { Dependencies } from '../dependencies.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED, taggedReply } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import { Problem } from '../problems/problem.ts';
import { retiredCurrency } from '../problems/retired-currency.ts';
import { pageOf } from '../schemas/page.ts';
import { keyedResponses, problemResponses, responsesOf } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';
import {
  createWalletBody,
  depositBody,
  entriesQuery,
  entryPage,
  entryReply,
  walletParams,
  walletReply,
  walletSchema,
} from '../schemas/wallets.ts';

const tags = ['Wallets'];
const content = { 'application/json': { schema: walletSchema } };

const create = createRoute({
  method: 'post',
  path: '/wallets',
  operationId: 'createWallet',
  tags,
  summary: 'Open an empty wallet',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: createWalletBody } } },
  },
  responses: keyedResponses({ 201: { description: 'Opened', content } }),
});

const get = createRoute({
  method: 'get',
  path: '/wallets/{id}',
  operationId: 'getWallet',
  tags,
  summary: 'Read a wallet and its balance',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: walletParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The wallet', headers: ETAG_HEADER, content }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

const putIn = createRoute({
  method: 'post',
  path: '/wallets/{id}/deposits',
  operationId: 'depositIntoWallet',
  tags,
  summary: 'Put money in',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: walletParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: depositBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'Deposited; the wallet just after it', content } },
    'not_found',
    'balance_limit_exceeded',
  ),
});

const entries = createRoute({
  method: 'get',
  path: '/wallets/{id}/entries',
  operationId: 'listWalletEntries',
  tags,
  summary: 'What happened to a wallet, newest first',
  request: { params: walletParams, query: entriesQuery },
  responses: {
    200: { description: 'A page of entries', content: { 'application/json': { schema: entryPage } } },
    ...problemResponses('validation_failed', 'not_found'),
  },
});

export function walletRoutes(dependencies: Dependencies): OpenAPIHono {
  const { database } = dependencies;
  const app = new OpenAPIHono();

  app.openapi(create, (c) => {
    const json = c.req.valid('json');
    const call = { operation: 'createWallet', request: { json }, location: '/v1/wallets' };
    return answerOnce(c, dependencies, call, async (id) => {
      if (!CURRENCIES.has(json.currency)) throw retiredCurrency('currency', json.currency);
      const created = await createWallet(database, { id, ...json });
      return { status: 201, body: walletReply(created) };
    });
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    const found = await findWallet(database, id);
    if (!found) throw unknown(id);
    return taggedReply(c, walletReply(found));
  });

  app.openapi(putIn, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = { operation: 'depositIntoWallet', request: { param, json } };
    return answerOnce(c, dependencies, call, async (transferId) => {
      const result = await deposit(database, { transferId, walletId: param.id, amount: json.amount });
      switch (result.outcome) {
        case 'unknown_wallet':
          throw unknown(param.id);
        case 'limit_exceeded':
          throw new Problem('balance_limit_exceeded', `A wallet holds at most ${BALANCE_LIMIT} minor units.`);
        case 'booked':
          return { status: 201, body: walletReply(result.wallet) };
      }
    });
  });

  app.openapi(entries, async (c) => {
    const { id } = c.req.valid('param');
    const { limit, cursor: before } = c.req.valid('query');
    const rows = await listEntries(database, id, { before, limit: limit + 1 });
    if (rows.length === 0 && !(await findWallet(database, id))) throw unknown(id);
    return c.json(pageOf('entries', rows, { limit, item: entryReply, placeOf: ({ seq }) => seq }), 200);
  });

  return app;
}

const unknown = (id: string) => new Problem('not_found', `There is no wallet ${id}.`);
