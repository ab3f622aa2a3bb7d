/** Opens and reads buyers' wallets, and deposits money into them. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { createWallet, deposit, findWallet, listEntries } from '../../db/wallets.ts';
import { CURRENCIES } from '../../domain/currencies.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { requireOwnId } from '../access/own-id.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED, replyWithTag } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import { Problem } from '../problems/problem.ts';
import { retiredCurrency } from '../problems/retired-currency.ts';
import { toPage } from '../schemas/page.ts';
import { keyedResponses, problemResponses, responsesOf } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';
import {
  createWalletBody,
  depositBody,
  entriesQuery,
  entryPage,
  toEntryReply,
  walletParams,
  toWalletReply,
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

const makeDeposit = createRoute({
  method: 'post',
  path: '/wallets/{id}/deposits',
  operationId: 'depositIntoWallet',
  tags,
  summary: 'Deposit money',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: walletParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: depositBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'Deposited. The wallet just after the deposit', content } },
    'not_found',
    'balance_limit_exceeded',
  ),
});

const entries = createRoute({
  method: 'get',
  path: '/wallets/{id}/entries',
  operationId: 'listWalletEntries',
  tags,
  summary: 'List the entries of a wallet, newest first',
  request: { params: walletParams, query: entriesQuery },
  responses: {
    200: { description: 'A page of entries', content: { 'application/json': { schema: entryPage } } },
    ...problemResponses('validation_failed', 'not_found'),
  },
});

export function walletRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(create, (c) => {
    const json = c.req.valid('json');
    requireOwnId(c.var.caller, json.ownerId, 'ownerId');
    const call = { operation: create.operationId, request: { json }, location: addressOf };
    return answerOnce(c, dependencies, call, async (id) => {
      if (!CURRENCIES.has(json.currency)) throw retiredCurrency('currency', json.currency);
      const created = await createWallet(c.var.database, { id, shopId: c.var.caller.shop, ...json });
      return { status: 201, body: toWalletReply(created) };
    });
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    const found = await findWallet(c.var.database, id);
    if (!found) throw walletNotFound(id);
    return replyWithTag(c, toWalletReply(found));
  });

  app.openapi(makeDeposit, (c) => {
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const call = {
      operation: makeDeposit.operationId,
      request: { param, json },
      location: () => addressOf(param.id),
    };
    return answerOnce(c, dependencies, call, async (transferId) => {
      const result = await deposit(c.var.database, { transferId, walletId: param.id, amount: json.amount });
      switch (result.outcome) {
        case 'unknown_wallet':
          throw walletNotFound(param.id);
        case 'limit_exceeded':
          throw new Problem(
            'balance_limit_exceeded',
            `A wallet can hold at most ${BALANCE_LIMIT} minor units.`,
          );
        case 'booked':
          return { status: 201, body: toWalletReply(result.wallet) };
      }
    });
  });

  app.openapi(entries, async (c) => {
    const { id } = c.req.valid('param');
    const { limit, cursor: before } = c.req.valid('query');
    const rows = await listEntries(c.var.database, id, { before, limit: limit + 1 });
    if (rows.length === 0 && !(await findWallet(c.var.database, id))) throw walletNotFound(id);
    const page = toPage('entries', rows, { limit, item: toEntryReply, cursorOf: ({ seq }) => seq });
    return c.json(linkNext(c, page), 200);
  });

  return app;
}

const addressOf = (id: string): string => `/v1/wallets/${id}`;

const walletNotFound = (id: string) => new Problem('not_found', `There is no wallet ${id}.`);
