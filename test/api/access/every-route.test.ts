/**
 * Calls every route of the OpenAPI document with every kind of credentials. The document names the routes, so that a new one cannot be
 * forgotten here.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { identifyBearers } from '../../../api/access/tokens.ts';
import { OPERATIONS, findAccess } from '../../../api/access/operations.ts';
import { ApiClient, type Answer } from '../../../api/client.ts';
import { PROBLEM_JSON } from '../../../api/problems/problem.ts';
import { makeKeyId, makeKeyText } from '../../../domain/api-key.ts';
import { ROLES, SCOPES, type Role } from '../../../domain/access.ts';
import { startIssuer } from '../../support/issuer.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { publishedApi, requestFor, type PublishedRoute } from '../../support/published-routes.ts';
import { startSecondApi } from '../../support/second-api.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const issuer = await startIssuer({ JWT_ROLES_CLAIM: 'roles' });
const system = await startSystem({ identifyBearer: identifyBearers(issuer.settings) });
const { send, sql } = system;
const anybody = new ApiClient(send);
const as = (key: string): ApiClient => new ApiClient(send, { key });
const { routes, securitySchemes } = await publishedApi(anybody);
await sql`insert into shop (id, name) values ('tea', 'Tea')`;

/** What the payment provider sends, which proves itself by a signature: see test/api/payments/notifications.test.ts. */
const SIGNED = '/v1/payment-notifications';
const guarded = routes.filter(({ path }) => path.startsWith('/v1') && path !== SIGNED);
const named = (some: readonly PublishedRoute[]): [string, PublishedRoute][] =>
  some.map((route) => [`${route.method} ${route.path}`, route]);

/** Values that bring a request past its schemas, and that a buyer may send. */
const VALUES = { from: '2026-01-01', to: '2026-01-02', buyerId: 'buyer', ownerId: 'buyer' };

const call = (
  route: PublishedRoute,
  client: ApiClient,
  headers: Record<string, string> = {},
): Promise<Answer> => {
  const [path, init] = requestFor(route, { sku: 'NONE' }, VALUES);
  return client.raw(path, { ...init, headers: { ...init.headers, ...headers } });
};

const codeOf = ({ status, body }: Answer) => [status, body.code];
const isLetIn = ({ status }: Answer): boolean => status !== 401 && status !== 403 && status < 500;
const challengeOf = ({ headers }: Answer) => headers.get('www-authenticate');

const keys = new Map<Role, string>();
for (const role of ROLES)
  keys.set(
    role,
    role === 'buyer' ? await issuer.sign({ sub: 'buyer' }) : await plantKey(sql, { roles: [role] }),
  );
const clientOf = (role: Role): ApiClient => as(keys.get(role) ?? '');

/** What is no good, and whether it is an API key that could exist. */
const BAD: [string, string][] = [
  ['a word', 'secret'],
  ['a key with one letter changed', mistype(keys.get('merchant') ?? '')],
  ['a key without its end', (keys.get('merchant') ?? '').slice(0, -1)],
  ['a key that nobody made', makeKeyText(makeKeyId()).text],
  ['a new secret of a key', makeKeyText((keys.get('merchant') ?? '').split('_')[1] ?? '').text],
  ['a revoked key', await plantKey(sql, { roles: ROLES, isRevoked: true })],
  ['an expired key', await plantKey(sql, { roles: ROLES, expiresIn: -1_000 })],
  ['an expired secret of a key', await plantKey(sql, { roles: ROLES, secretExpiresIn: -1_000 })],
  ['an expired token', await issuer.sign({}, { expiresIn: -60 })],
  ["another issuer's token", await (await startIssuer()).sign()],
];

function mistype(text: string): string {
  const last = text.at(20) === 'a' ? 'b' : 'a';
  return text.slice(0, 20) + last + text.slice(21);
}

describe('the table of operations', () => {
  test('has the operations that the OpenAPI document has under /v1, and no others', () => {
    expect(new Set(guarded.map(({ operation }) => operation.operationId))).toEqual(
      new Set(Object.keys(OPERATIONS)),
    );
  });

  test('is the one in docs/api.md', async () => {
    const document = await readFile(new URL('../../../docs/api.md', import.meta.url), 'utf8');
    const rows = document.split('\n').flatMap((line) => {
      const [, operations, roles, scope] =
        /^\| (`\w+`(?:, `\w+`)*) +\| (\w+(?:, \w+)*) +\| (`[\w-]+:\w+`|none) +\|/.exec(line) ?? [];
      return (operations ?? '')
        .split(', ')
        .map(
          (name) =>
            [
              name.replaceAll('`', ''),
              { roles: roles?.split(', '), scope: scope === 'none' ? null : scope?.replaceAll('`', '') },
            ] as const,
        );
    });
    const documented = Object.fromEntries(rows.filter(([name]) => name !== ''));
    const actual = Object.fromEntries(
      Object.entries(OPERATIONS).map(([name, { roles, scope }]) => [name, { roles: [...roles], scope }]),
    );
    expect(documented).toEqual(actual);
  });
});

describe('without credentials', () => {
  test('only the description of the API, the health checks and what is signed are answered', async () => {
    const open = routes.filter(({ operation }) => operation.security?.length === 0);
    expect(open.map(({ path }) => path)).toEqual([SIGNED, '/healthz', '/readyz']);
    for (const path of ['/healthz', '/readyz', '/openapi.json'])
      expect(await anybody.get(path)).toMatchObject({ status: 200 });
  });

  test.each(named(guarded))('%s is refused, and says which credentials it wants', async (_name, route) => {
    for (const headers of [
      {},
      { authorization: '' },
      { authorization: 'Basic YTpi' },
      { 'x-api-key': keys.get('merchant') ?? '' },
    ]) {
      const answer = await call(route, anybody, headers);
      expect(codeOf(answer)).toEqual([401, 'unauthenticated']);
      expect(answer.headers.get('content-type')).toBe(PROBLEM_JSON);
      expect(challengeOf(answer)).toBe('Bearer realm="holdfast"');
    }
  });

  test.each(['/v1', '/v1/', '/v1/nothing', '/v1/orders/x/y/z', '/v1/../v1/nothing', `${SIGNED}/x`])(
    '%s is refused, so that nobody learns which addresses exist',
    async (path) => {
      for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE2'])
        expect((await anybody.response(path, { method })).status).toBe(401);
      expect((await clientOf('auditor').response(path, { method: 'GET' })).status).toBe(404);
    },
  );

  test('a method that an address does not have is refused as all others', async () => {
    for (const { path } of guarded) {
      const answer = await anybody.raw(path.replaceAll(/\{\w+\}/g, 'x'), { method: 'PATCH' });
      expect(codeOf(answer)).toEqual([401, 'unauthenticated']);
    }
    expect(codeOf(await clientOf('auditor').raw('/v1/orders', { method: 'PATCH' }))).toEqual([
      405,
      'method_not_allowed',
    ]);
  });
});

describe('with credentials that are not valid', () => {
  test.each(named(guarded))('%s is refused', async (_name, route) => {
    for (const [what, text] of BAD) {
      const answer = await call(route, as(text));
      expect([what, ...codeOf(answer)]).toEqual([what, 401, 'unauthenticated']);
      expect(challengeOf(answer)).toBe('Bearer realm="holdfast", error="invalid_token"');
    }
  });

  test('nobody learns whether a key exists or ever did', async () => {
    const heard = new Set<string>();
    for (const what of [
      'a key that nobody made',
      'a new secret of a key',
      'a revoked key',
      'an expired key',
      'an expired secret of a key',
    ]) {
      const [, text] = BAD.find(([name]) => name === what) ?? [];
      const { status, body, headers } = await as(text ?? '').get('/v1/orders');
      const sent = [...headers].filter(([name]) => name !== 'x-request-id');
      heard.add(JSON.stringify([status, body, sent]));
      expect(JSON.stringify(body)).not.toContain((text ?? '').split('_')[1]);
    }
    expect(heard.size).toBe(1);
  });

  test.each(['Bearer', 'Bearer ', 'Bearer a b', 'Bearer a, Bearer b', 'Bearer ä', 'bearer=a'])(
    'the header %s is refused',
    async (authorization) => {
      const headers = { authorization: Buffer.from(authorization).toString('latin1') };
      expect(codeOf(await anybody.get('/v1/orders', { headers }))).toEqual([401, 'unauthenticated']);
    },
  );

  test('the name of the scheme may be written in any case', async () => {
    const headers = { authorization: `bEARER  ${keys.get('auditor') ?? ''}` };
    expect((await anybody.get('/v1/orders', { headers })).status).toBe(200);
  });
});

describe('while nobody can say whether credentials are valid,', () => {
  test('a token is answered with 503 and not with 401, and API keys go on', async () => {
    const away = await startIssuer();
    away.answerWith((_, response) => response.destroy());
    const api = startSecondApi(system, 900_000, identifyBearers(away.settings));
    const token = { authorization: `Bearer ${await away.sign()}` };
    const answer = await api.get('/v1/orders', { headers: token });
    expect(codeOf(answer)).toEqual([503, 'unavailable']);
    expect([answer.headers.get('retry-after'), challengeOf(answer)]).toEqual(['1', null]);
    expect((await api.get('/v1/orders')).status).toBe(200);
  });
});

describe('a key that is revoked while it is used', () => {
  test('is refused by every process within 5 s', async () => {
    const text = await plantKey(sql, { roles: ['auditor'] });
    const processes = [anybody, startSecondApi(system)];
    const ask = () =>
      Promise.all(
        processes.map((one) => one.get('/v1/orders', { headers: { authorization: `Bearer ${text}` } })),
      );
    for (const { status } of await ask()) expect(status).toBe(200);
    await sql`update api_key set revoked_at = now() where id = ${text.split('_')[1] ?? ''}`;
    const revoked = performance.now();
    await until(
      'both processes to refuse the key',
      async () => (await ask()).every(({ status }) => status === 401),
      20_000,
    );
    // The last look may have come just before, and takes its time.
    expect(performance.now() - revoked).toBeLessThan(6_500);
  });
});

describe('the role', () => {
  test.each(named(guarded))('decides whether %s is carried out', async (_name, route) => {
    const access = findAccess(route.operation.operationId);
    for (const role of ROLES) {
      const answer = await call(route, clientOf(role));
      const expected = access?.roles.includes(role) === true;
      // A buyer's token is for one shop.
      if (expected && !(role === 'buyer' && access?.shops === 'none'))
        expect([role, isLetIn(answer)]).toEqual([role, true]);
      else expect([role, ...codeOf(answer)]).toEqual([role, 403, 'forbidden']);
    }
  });

  test('of a key is never buyer, because no key is a buyer', async () => {
    const asBuyer = as(await plantKey(sql, { roles: ['buyer'] }));
    for (const route of guarded) expect(codeOf(await call(route, asBuyer))).toEqual([403, 'forbidden']);
  });
});

describe('the scopes of a key', () => {
  test.each(named(guarded))('let it call %s only if its scope is among them', async (_name, route) => {
    const access = findAccess(route.operation.operationId);
    if (access?.scope === null) {
      // No scope is about it, so a key needs none of them.
      const some = await plantKey(sql, { roles: ROLES, scopes: ['orders:read'] });
      expect(isLetIn(await call(route, as(some)))).toBe(true);
      return;
    }
    const scope = access?.scope ?? 'orders:read';
    const others = SCOPES.filter((other) => other !== scope);
    const [limited, without] = [
      await plantKey(sql, { roles: ROLES, scopes: [scope] }),
      await plantKey(sql, { roles: ROLES, scopes: others }),
    ];
    expect(isLetIn(await call(route, as(limited)))).toBe(true);
    const answer = await call(route, as(without));
    expect(codeOf(answer)).toEqual([403, 'forbidden']);
    expect(challengeOf(answer)).toBe(`Bearer realm="holdfast", error="insufficient_scope", scope="${scope}"`);
  });
});

describe('the header Holdfast-Shop', () => {
  test.each(named(guarded))('of %s may name only the shop of the credentials', async (_name, route) => {
    const access = findAccess(route.operation.operationId);
    const bound = as(await plantKey(sql, { roles: ROLES, shop: 'tea' }));
    for (const headers of [undefined, { 'holdfast-shop': 'tea' }]) {
      const answer = await call(route, bound, headers);
      if (access?.shops === 'none') expect(codeOf(answer)).toEqual([403, 'forbidden']);
      else expect(isLetIn(answer)).toBe(true);
    }
    for (const other of ['main', '*', 'nothing'])
      expect(codeOf(await call(route, bound, { 'holdfast-shop': other }))).toEqual([403, 'forbidden']);
  });

  test.each(named(guarded))(
    'of %s may name every shop that exists for credentials of the installation, and all shops where that has a meaning',
    async (_name, route) => {
      const access = findAccess(route.operation.operationId);
      const whole = as(await plantKey(sql, { roles: ROLES }));
      expect(isLetIn(await call(route, whole, { 'holdfast-shop': 'tea' }))).toBe(true);
      const all = await call(route, whole, { 'holdfast-shop': '*' });
      if (access?.shops === 'one') expect(codeOf(all)).toEqual([400, 'validation_failed']);
      else expect(isLetIn(all)).toBe(true);
      if (access?.shops === 'none') return;
      const unknown = await call(route, whole, { 'holdfast-shop': 'nothing' });
      expect(codeOf(unknown)).toEqual([403, 'forbidden']);
      for (const wrong of ['Tea', '', 'tea, tea', 'tea*'])
        expect(codeOf(await call(route, whole, { 'holdfast-shop': wrong }))).toEqual([
          400,
          'validation_failed',
        ]);
    },
  );

  test('is not needed by a token, which is for one shop', async () => {
    const buyer = clientOf('buyer');
    expect((await buyer.get('/v1/orders', { headers: { 'holdfast-shop': 'main' } })).status).toBe(200);
    expect(codeOf(await buyer.get('/v1/orders', { headers: { 'holdfast-shop': 'tea' } }))).toEqual([
      403,
      'forbidden',
    ]);
  });
});

describe('the OpenAPI document', () => {
  test.each(named(guarded))(
    'says of %s which credentials it needs and how it is refused',
    (_name, { operation }) => {
      expect(securitySchemes).toEqual(['bearer']);
      expect(operation.security).toEqual([{ bearer: [] }]);
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['401', '403']));
      const access = findAccess(operation.operationId);
      expect(operation['x-roles']).toEqual(access?.roles);
      expect(operation['x-scope']).toBe(access?.scope ?? undefined);
    },
  );
});
