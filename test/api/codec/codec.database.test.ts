/** The codec server reads payloads to operators, masks them for auditors, and gives nobody else anything. */
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { pino } from 'pino';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createIdentify } from '../../../api/access/identify.ts';
import { SESSION_COOKIE, SESSION_MS, sealSession } from '../../../api/access/session.ts';
import { identifyBearers } from '../../../api/access/tokens.ts';
import { createCodec } from '../../../api/codec/app.ts';
import { fromWire, payloadsSchema, toWire } from '../../../api/codec/wire.ts';
import { listen } from '../../../api/http/listen.ts';
import { createApiServer } from '../../../api/http/server.ts';
import { encryptPayload, keyOfPayload } from '../../../client/payload-codec.ts';
import { keyRing } from '../../../settings/key-ring.ts';
import { freshDatabase } from '../../support/database.ts';
import { startIssuer } from '../../support/issuer.ts';
import { aKey } from '../../support/personal-data.ts';
import { plantKey, type PlantedKey } from '../../support/planted-keys.ts';

const UI = 'http://127.0.0.1:8233';
const { database, sql } = await freshDatabase();
const logger = pino({ level: 'silent' });
const issuer = await startIssuer({ JWT_ROLES_CLAIM: 'roles' });
await issuer.addKey();
const [oldKey, newKey] = [aKey('old'), aKey('new')];
const [payloadKeys, sessionKeys] = [keyRing.parse(`${newKey},${oldKey}`), keyRing.parse(aKey('session'))];
const developmentKey = await plantKey(sql, { roles: ['operator'], isDevelopment: true });
const identify = createIdentify({ database, logger, identifyBearer: identifyBearers(issuer.settings) });
const codec = createCodec({
  database,
  logger,
  namespace: 'default',
  payloadKeys,
  sessionKeys,
  developmentKey,
  origins: [UI],
  identify,
  rateLimits: {
    windowMs: 60_000,
    quotas: { reads: 0, writes: 0, orders: 0, admin: 0 },
    failedAuthentications: 50,
  },
});
const server = createApiServer(codec.fetch, { keepAlive: 5_000 }, logger);
const { port } = await listen(server, '127.0.0.1', 0);
const url = `http://127.0.0.1:${port}`;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const ORDER = { orderId: 'o-1', buyerId: 'planted-buyer', walletId: 'planted-wallet', stage: 'paid' };
const encrypted = (value: unknown, ring = payloadKeys, namespace = 'default'): Payload =>
  encryptPayload({ namespace, payloadKeys: ring }, defaultPayloadConverter.toPayload(value));

interface Ask {
  path?: string;
  authorization?: string;
  headers?: Readonly<Record<string, string>>;
  namespace?: string | null;
  payloads?: readonly Payload[];
  body?: string;
}

const post = ({
  path = '/decode',
  authorization,
  headers = {},
  namespace = 'default',
  payloads = [encrypted(ORDER)],
  body = JSON.stringify({ payloads: payloads.map(toWire) }),
}: Ask): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      ...(namespace !== null && { 'x-namespace': namespace }),
      ...(authorization !== undefined && { authorization: `Bearer ${authorization}` }),
      ...headers,
    },
  });

async function valuesOf(response: Response): Promise<unknown[]> {
  expect(response.status).toBe(200);
  const { payloads } = payloadsSchema.parse(await response.json());
  return payloads.map((payload) => defaultPayloadConverter.fromPayload(fromWire(payload)));
}

const problemSchema = z.object({ status: z.number(), code: z.string(), detail: z.string() });

async function refusalOf(response: Response): Promise<z.output<typeof problemSchema>> {
  const text = await response.text();
  for (const secret of ['planted-', 'payloads":']) expect(text).not.toContain(secret);
  return problemSchema.parse(JSON.parse(text));
}

const keyOf = (key: PlantedKey): Promise<string> => plantKey(sql, key);
const operator = await keyOf({ roles: ['operator'] });
const auditor = await keyOf({ roles: ['auditor'] });
const admin = await keyOf({ roles: ['admin'] });
const MASKED_ORDER = { ...ORDER, buyerId: '[masked]', walletId: '[masked]' };

describe('payloads are read', () => {
  test('as they are to operators and admins, and without buyer and wallet to auditors', async () => {
    for (const authorization of [operator, admin])
      expect(await valuesOf(await post({ authorization }))).toEqual([ORDER]);
    expect(await valuesOf(await post({ authorization: auditor }))).toEqual([MASKED_ORDER]);
  });

  test('by tokens of the issuer, as their roles say', async () => {
    const read = async (roles: string) => post({ authorization: await issuer.sign({ roles }) });
    expect(await valuesOf(await read('operator'))).toEqual([ORDER]);
    expect(await valuesOf(await read('auditor'))).toEqual([MASKED_ORDER]);
    expect(await refusalOf(await read('buyer'))).toMatchObject({ status: 403 });
  });

  test('that older keys encrypted, and those that were never encrypted', async () => {
    const payloads = [
      encrypted(1, keyRing.parse(oldKey)),
      defaultPayloadConverter.toPayload(2),
      encrypted(3),
    ];
    expect(await valuesOf(await post({ authorization: operator, payloads }))).toEqual([1, 2, 3]);
  });

  test('each by itself: one whose key is missing is named, and hides none of the others', async () => {
    const gone = encrypted('planted-lost', keyRing.parse(aKey('gone')));
    const [first, second, third] = await valuesOf(
      await post({
        authorization: operator,
        payloads: [encrypted(1), gone, encrypted(2, payloadKeys, 'other')],
      }),
    );
    expect([first, second]).toEqual([1, expect.stringContaining('PAYLOAD_KEYS has no key gone')]);
    expect(third).toContain('was changed, or was encrypted with another key');
  });

  test('below any query, in which the Web UI says what it wants', async () => {
    const path = '/decode?preserveStorageRefs=true';
    expect(await valuesOf(await post({ authorization: operator, path }))).toEqual([ORDER]);
  });
});

describe('nothing is read', () => {
  test.each([
    ['a merchant', { roles: ['merchant'] }],
    ['a merchant of the shop', { roles: ['merchant'], shop: 'main' }],
    ['an operator whose key is limited to other things', { roles: ['operator'], scopes: ['skus:read'] }],
  ] satisfies [string, PlantedKey][])('to %s', async (_, key) => {
    expect(await refusalOf(await post({ authorization: await keyOf(key) }))).toMatchObject({
      status: 403,
      code: 'forbidden',
    });
  });

  test('without credentials, and with credentials that are wrong, revoked or expired', async () => {
    expect(await refusalOf(await post({}))).toMatchObject({ status: 401, code: 'unauthenticated' });
    for (const authorization of [
      'hf_none',
      `${operator}x`,
      'not-a-token',
      await issuer.sign({ roles: 'operator' }, { expiresIn: -600 }),
      await keyOf({ roles: ['operator'], isRevoked: true }),
      await keyOf({ roles: ['operator'], expiresIn: -1 }),
    ])
      expect(await refusalOf(await post({ authorization }))).toMatchObject({ status: 401 });
  });

  test('for another namespace, or none', async () => {
    for (const namespace of ['other', null])
      expect(await refusalOf(await post({ authorization: operator, namespace }))).toMatchObject({
        status: 403,
      });
  });

  test('to a page of another origin, whatever it sends', async () => {
    for (const origin of ['http://127.0.0.1:9999', 'https://evil.example', 'null', `${UI}.evil.example`]) {
      const refused = await post({ authorization: operator, headers: { origin } });
      expect(refused.headers.get('access-control-allow-origin')).toBeNull();
      expect(await refusalOf(refused)).toMatchObject({ status: 403 });
    }
  });
});

describe('with the session of the operations page,', () => {
  const cookieOf = (credential: string, now = Date.now()) => ({
    cookie: `${SESSION_COOKIE}=${sealSession(sessionKeys, credential, now)}`,
  });
  const fromUi = (headers: Record<string, string>) => post({ headers: { origin: UI, ...headers } });

  test('the Web UI reads what its person may see, and may keep the answer', async () => {
    const answer = await fromUi(cookieOf(operator));
    expect(answer.headers.get('access-control-allow-origin')).toBe(UI);
    expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
    expect(await valuesOf(answer)).toEqual([ORDER]);
    expect(await valuesOf(await fromUi(cookieOf(auditor)))).toEqual([MASKED_ORDER]);
  });

  test('nothing is read once it has ended, or its credential has', async () => {
    const revoked = await keyOf({ roles: ['operator'], isRevoked: true });
    for (const headers of [
      cookieOf(operator, Date.now() - SESSION_MS),
      cookieOf(revoked),
      { cookie: `${SESSION_COOKIE}=${operator}` },
    ])
      expect(await refusalOf(await fromUi(headers))).toMatchObject({ status: 401 });
  });

  test('nothing is read by a request that says of no page where it comes from', async () => {
    expect(await refusalOf(await post({ headers: cookieOf(operator) }))).toMatchObject({ status: 401 });
  });
});

test('a browser learns before it asks that the Web UI may, with a cookie, and that no other page may', async () => {
  const preflight = (origin: string) =>
    fetch(`${url}/decode`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-namespace,authorization',
      },
    });
  const { status, headers } = await preflight(UI);
  expect({ status, ...Object.fromEntries(headers) }).toMatchObject({
    status: 204,
    'access-control-allow-origin': UI,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'Authorization,Content-Type,X-Namespace',
  });
  expect((await preflight('https://evil.example')).status).toBe(403);
});

describe('on a developer\u2019s machine,', () => {
  test('the key in the address counts, and no other key does there', async () => {
    expect(await valuesOf(await post({ path: `/${developmentKey}/decode` }))).toEqual([ORDER]);
    for (const key of [operator, 'hf_none', 'x'])
      expect(await refusalOf(await post({ path: `/${key}/decode` }))).toMatchObject({ status: 401 });
  });
});

describe('what somebody writes in the Web UI', () => {
  test('is encrypted with the current key for those who may command orders', async () => {
    const payloads = [defaultPayloadConverter.toPayload({ reason: 'planted' })];
    for (const authorization of [operator, admin]) {
      const answer = await post({ path: '/encode', authorization, payloads });
      const [payload] = payloadsSchema.parse(await answer.json()).payloads.map(fromWire);
      expect(payload && keyOfPayload(payload)).toBe('new');
      expect(await valuesOf(await post({ authorization, payloads: payload ? [payload] : [] }))).toEqual([
        { reason: 'planted' },
      ]);
    }
  });

  test('is not encrypted for those who may not', async () => {
    const readOnly = await keyOf({ roles: ['operator'], scopes: ['orders:read'] });
    for (const authorization of [auditor, readOnly])
      expect(await refusalOf(await post({ path: '/encode', authorization }))).toMatchObject({ status: 403 });
  });
});

test('a body that is no list of payloads, or too large, is refused', async () => {
  const send = async (body: string) => (await post({ authorization: operator, body })).status;
  expect(await send('{')).toBe(400);
  for (const body of [
    '{}',
    '[]',
    '{"payloads":[{"data":"%%"}]}',
    '{"payloads":[{"metadata":{"encoding":1}}]}',
  ])
    expect(await send(body)).toBe(400);
  expect(await send(JSON.stringify({ payloads: [{ data: 'A'.repeat(9 * 1_024 * 1_024) }] }))).toBe(413);
});

test('anything else is not there, and health is known without credentials', async () => {
  expect((await post({ path: '/elsewhere', authorization: operator })).status).toBe(404);
  for (const path of ['/healthz', '/readyz']) expect((await fetch(`${url}${path}`)).status).toBe(200);
});

test('credentials of one shop read nothing as soon as there is another shop', async () => {
  const one = await keyOf({ roles: ['operator'], shop: 'main' });
  expect(await valuesOf(await post({ authorization: one }))).toEqual([ORDER]);
  await sql`insert into shop (id, name) values ('other', 'Other')`;
  expect(await refusalOf(await post({ authorization: one }))).toMatchObject({ status: 403 });
  expect((await post({ authorization: operator })).status).toBe(200);
});

test('nothing is read to somebody who guesses on, once their address has failed too often', async () => {
  let last = await post({ authorization: 'hf_guess' });
  for (let guess = 0; guess < 80 && last.status === 401; guess++)
    last = await post({ authorization: 'hf_guess' });
  expect(await refusalOf(last)).toMatchObject({ status: 429, code: 'rate_limited' });
  // Who was right before stays in.
  expect((await post({ authorization: operator })).status).toBe(200);
});
