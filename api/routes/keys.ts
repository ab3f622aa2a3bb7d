/** Makes, lists, rotates and revokes API keys. */
import { OpenAPIHono, createRoute } from '@hono/zod-openapi';
import { createKey, findKey, listKeys, revokeKey, rotateKey } from '../../db/key-changes.ts';
import { keyIdOf, makeKeyText } from '../../domain/api-key.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { requireOwnScopes } from '../access/own-scopes.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { linkNext } from '../http/addresses.ts';
import { ETAG_HEADER, KNOWN_TAG_PARAMETER, NOT_MODIFIED, replyWithTag } from '../http/entity-tags.ts';
import { answerOnce } from '../idempotency/answer-once.ts';
import { showOnce } from '../idempotency/show-once.ts';
import { IDEMPOTENCY_KEY_PARAMETER } from '../idempotency/key.ts';
import { Problem } from '../problems/problem.ts';
import {
  createKeyBody,
  formatKeyCursor,
  keyPage,
  keyParams,
  keySchema,
  keysQuery,
  rotateKeyBody,
  shownKeySchema,
  toKeyReply,
} from '../schemas/keys.ts';
import { toPage } from '../schemas/page.ts';
import { keyedResponses, responsesOf } from '../schemas/problem.ts';
import { noQuery } from '../schemas/values.ts';

const tags = ['Keys'];
const content = { 'application/json': { schema: keySchema } };
const shownContent = { 'application/json': { schema: shownKeySchema } };

const create = createRoute({
  method: 'post',
  path: '/keys',
  operationId: 'createKey',
  tags,
  summary: 'Make an API key for a shop, or for the installation',
  description:
    'The key works in the shop that this call works in. With `Holdfast-Shop: *` it is a key of the installation, which works in every shop.',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: createKeyBody } } },
  },
  responses: keyedResponses({ 201: { description: 'Made', content: shownContent } }, 'not_found'),
});

const list = createRoute({
  method: 'get',
  path: '/keys',
  operationId: 'listKeys',
  tags,
  summary: 'List API keys, newest first, those that have ended included',
  request: { query: keysQuery },
  responses: responsesOf(
    { 200: { description: 'A page of keys', content: { 'application/json': { schema: keyPage } } } },
    'validation_failed',
  ),
});

const get = createRoute({
  method: 'get',
  path: '/keys/{id}',
  operationId: 'getKey',
  tags,
  summary: 'Read an API key, without its text',
  parameters: [KNOWN_TAG_PARAMETER],
  request: { params: keyParams, query: noQuery },
  responses: responsesOf(
    { 200: { description: 'The key', headers: ETAG_HEADER, content }, ...NOT_MODIFIED },
    'validation_failed',
    'not_found',
  ),
});

const rotate = createRoute({
  method: 'post',
  path: '/keys/{id}/rotations',
  operationId: 'rotateKey',
  tags,
  summary: 'Give an API key another text, and let the earlier ones expire',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: {
    params: keyParams,
    query: noQuery,
    body: { required: true, content: { 'application/json': { schema: rotateKeyBody } } },
  },
  responses: keyedResponses(
    { 201: { description: 'Rotated', content: shownContent } },
    'not_found',
    'key_not_usable',
  ),
});

const revoke = createRoute({
  method: 'post',
  path: '/keys/{id}/revocation',
  operationId: 'revokeKey',
  tags,
  summary: 'End an API key for good, within 5 seconds',
  parameters: [IDEMPOTENCY_KEY_PARAMETER],
  request: { params: keyParams, query: noQuery },
  responses: keyedResponses({ 200: { description: 'Revoked, now or earlier', content } }, 'not_found'),
});

export function keyRoutes(dependencies: Dependencies): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();

  app.openapi(create, async (c) => {
    const { database, caller } = c.var;
    const json = c.req.valid('json');
    requireOwnScopes(c, json.scopes ?? null);
    const call = {
      operation: create.operationId,
      request: { json },
      location: (commandId: string) => addressOf(keyIdOf(commandId)),
    };
    let shown: string | undefined;
    const answer = await answerOnce(c, dependencies, call, async (commandId) => {
      const id = keyIdOf(commandId);
      const { text, hash } = makeKeyText(id);
      const { name, roles, scopes = null, expiresInSeconds } = json;
      const made = await createKey(database, {
        id,
        hash,
        name,
        roles,
        scopes,
        shop: caller.shop === ALL_SHOPS ? null : caller.shop,
        createdBy: caller.id,
        expiresIn: expiresInSeconds === undefined ? null : expiresInSeconds * 1_000,
      });
      if (made.outcome === 'unknown_shop') throw new Problem('not_found', `There is no shop ${caller.shop}.`);
      shown = text;
      return { status: 201, body: toKeyReply(made.key) };
    });
    return showOnce(answer, { text: shown });
  });

  app.openapi(list, async (c) => {
    const { limit, cursor: after } = c.req.valid('query');
    const rows = await listKeys(c.var.database, { after, limit: limit + 1 });
    const page = toPage('keys', rows, { limit, item: toKeyReply, cursorOf: formatKeyCursor });
    return c.json(linkNext(c, page), 200);
  });

  app.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    const found = await findKey(c.var.database, id);
    if (!found) throw keyNotFound(id);
    return replyWithTag(c, toKeyReply(found));
  });

  app.openapi(rotate, async (c) => {
    const { database } = c.var;
    const param = c.req.valid('param');
    const json = c.req.valid('json');
    const found = await findKey(database, param.id);
    if (found) requireOwnScopes(c, found.scopes);
    const call = {
      operation: rotate.operationId,
      request: { param, json },
      location: () => addressOf(param.id),
    };
    let shown: string | undefined;
    const answer = await answerOnce(c, dependencies, call, async () => {
      // A retry whose answer was not kept makes one more text, and the one that nobody saw expires with the others.
      const { text, hash } = makeKeyText(param.id);
      const rotated = await rotateKey(database, {
        id: param.id,
        hash,
        overlap: json.overlapSeconds * 1_000,
      });
      switch (rotated.outcome) {
        case 'unknown_key':
          throw keyNotFound(param.id);
        case 'not_usable':
          throw new Problem('key_not_usable', `The key ${param.id} was revoked or has expired.`);
        case 'rotated':
          shown = text;
          return { status: 201, body: toKeyReply(rotated.key) };
      }
    });
    return showOnce(answer, { text: shown });
  });

  app.openapi(revoke, (c) => {
    const { database } = c.var;
    const param = c.req.valid('param');
    const call = { operation: revoke.operationId, request: { param } };
    return answerOnce(c, dependencies, call, async () => {
      const revoked = await revokeKey(database, param.id);
      if (!revoked) throw keyNotFound(param.id);
      return { status: 200, body: toKeyReply(revoked) };
    });
  });

  return app;
}

const addressOf = (id: string): string => `/v1/keys/${id}`;

const keyNotFound = (id: string) => new Problem('not_found', `There is no key ${id}.`);
