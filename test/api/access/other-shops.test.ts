/**
 * What is another shop's or another buyer's does not exist for a caller. The routes come from the OpenAPI document, so that a new one
 * that takes an id is tried, too.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { findAccess, mayCall } from '../../../api/access/operations.ts';
import { identifyBearers } from '../../../api/access/tokens.ts';
import { ApiClient, expectStatus, type Answer } from '../../../api/client.ts';
import { makeKeyId } from '../../../domain/api-key.ts';
import { keepFindings } from '../../../db/findings.ts';
import type { Role } from '../../../domain/access.ts';
import { expectRulesHold } from '../../support/database.ts';
import { startIssuer } from '../../support/issuer.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { publishedApi, requestFor, type PublishedRoute } from '../../support/published-routes.ts';
import { idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { seal } from '../../support/tampering.ts';
import { unansweredOrder } from '../../support/unanswered.ts';

const issuer = await startIssuer({ JWT_SHOP_CLAIM: 'shop', JWT_ROLES_CLAIM: 'roles' });
const system = await startSystem({
  identifyBearer: identifyBearers(issuer.settings),
  publishing: true,
  payments: true,
});
const { send, sql, database } = system;
await sql`insert into shop (id, name) values ('tea', 'Tea')`;
afterAll(() => expectRulesHold(sql));

interface Person {
  role: Role;
  client: ApiClient;
}
const withKey = async (role: Role, shop: string): Promise<Person> => ({
  role,
  client: new ApiClient(send, { key: await plantKey(sql, { roles: [role], shop }) }),
});
const sellersText = await plantKey(sql, { roles: ['merchant'], shop: 'main' });
const sellersKey = sellersText.split('_')[1] ?? '';
const buyer = async (sub: string, shop: string): Promise<Person> => ({
  role: 'buyer',
  client: new ApiClient(send, { key: await issuer.sign({ sub, shop }) }),
});
const seller: Person = { role: 'merchant', client: new ApiClient(send, { key: sellersText }) };
const alice = await buyer('alice', 'main');
const strangers: [string, Person][] = [
  ["another shop's merchant", await withKey('merchant', 'tea')],
  ["another shop's operator", await withKey('operator', 'tea')],
  ["another shop's auditor", await withKey('auditor', 'tea')],
  ["another shop's admin", await withKey('admin', 'tea')],
  ['another buyer', await buyer('bob', 'main')],
  ['a buyer of the same name in another shop', await buyer('alice', 'tea')],
  [
    'an employee by a token of another shop',
    {
      role: 'merchant',
      client: new ApiClient(send, { key: await issuer.sign({ roles: 'merchant', shop: 'tea' }) }),
    },
  ],
  [
    'an operator of the installation who works in another shop',
    {
      role: 'operator',
      client: new ApiClient(send, { key: await plantKey(sql, { roles: ['operator'] }), shop: 'tea' }),
    },
  ],
];

const sku = 'OTHERS-TEA';
const price = { amount: 500, currency: 'EUR' };
expectStatus(await seller.client.putSku(sku, { name: 'Tea', price, onHand: 100 }), 201);
const wallet = idOf(
  expectStatus(await alice.client.createWallet({ ownerId: 'alice', currency: 'EUR' }), 201),
);
expectStatus(await seller.client.depositIntoWallet(wallet, { amount: 10_000 }), 201);
const place = async (): Promise<string> =>
  idOf(
    expectStatus(
      await alice.client.createOrder({
        buyerId: 'alice',
        walletId: wallet,
        lines: [{ sku, quantity: 1 }],
        contact: { email: 'alice@example.com' },
      }),
      201,
    ),
  );
const [open, paid, cancelled] = [await place(), await place(), await place()];
expectStatus(await alice.client.payOrder(paid), 200);
const payment = idOf(
  expectStatus(
    await alice.client.post(`/v1/orders/${open}/payments`, { method: 'wallet', amount: 100 }),
    201,
  ),
);
const webhook = idOf(
  expectStatus(await seller.client.post('/v1/webhooks', { url: 'http://127.0.0.1:9/events' }), 201),
);
const delivery = idOf(
  expectStatus(await seller.client.post(`/v1/webhooks/${webhook}/test-events`, undefined), 201),
);
const [kept] = await keepFindings(
  database,
  'order_overdue',
  [{ subject: open, orderId: open, finding: 'test' }],
  new Date().toISOString(),
);
const finding = kept?.id ?? '';
expectStatus(await alice.client.cancelOrder(cancelled, { reason: 'changed my mind' }), 200);
expectStatus(await alice.client.put(`/v1/wallets/${wallet}/permissions/carol`, undefined), 200, 201);

// What is not sealed is in no list of the audit.
await seal(database);

const { routes } = await publishedApi(new ApiClient(send));
const guarded = routes.filter(({ operation }) => operation.security?.length !== 0);
const named = (some: readonly PublishedRoute[]): [string, PublishedRoute][] =>
  some.map((route) => [`${route.method} ${route.path}`, route]);
const withId = guarded.filter(({ path }) => path.includes('{'));
const lists = guarded.filter(({ method, path }) => method === 'GET' && !path.includes('{'));

/** What would be valid from the owner. */
const VALUES = {
  name: 'Stolen',
  price,
  quantity: 1,
  onHand: 1,
  expectedOnHand: 100,
  amount: 1,
  reason: 'mine now',
  restock: true,
  url: 'http://127.0.0.1:9/mine',
  description: 'mine',
  types: ['order.paid'],
  enabled: false,
  overlapSeconds: 0,
  from: '2020-01-01',
  to: '2020-12-31',
  eventId: `${paid}-1`,
  method: 'wallet',
  action: 'retry_now',
  actor: 'mallory',
  outcome: 'declined',
  // Of the order itself unless it is named.
  workflowId: undefined,
  choice: 'accept',
};

/** Ids that nothing has. */
const NOBODYS = { sku: 'NOBODYS', shop: 'nobodys' };
/** What the first parameter of a path names. */
function idFor(path: string): string {
  if (path.startsWith('/v1/skus/')) return sku;
  if (path.startsWith('/v1/wallets/')) return wallet;
  if (path.startsWith('/v1/keys/')) return sellersKey;
  if (path.startsWith('/v1/shops/')) return 'main';
  if (path.startsWith('/v1/webhooks/')) return webhook;
  if (path.startsWith('/v1/payments/')) return payment;
  if (path.startsWith('/v1/buyers/')) return 'alice';
  if (path.startsWith('/v1/findings/')) return finding;
  // A stream ends with the order.
  if (path.endsWith('/stream')) return cancelled;
  if (path.startsWith('/v1/orders/')) return path.endsWith('/refund') ? paid : open;
  throw new Error(`Say here which id of somebody else ${path} is to be tried with.`);
}

function call(route: PublishedRoute, client: ApiClient): Promise<Answer> {
  const id = route.path.includes('{') ? idFor(route.path) : '';
  const buyerId = route.path.startsWith('/v1/buyers/') ? id : 'carol';
  return client.raw(...requestFor(route, { id, sku: id, shop: id, buyerId, deliveryId: delivery }, VALUES));
}

/** Of an answer that need not be JSON, as a stream. */
async function statusOf(route: PublishedRoute, client: ApiClient): Promise<number> {
  const id = idFor(route.path);
  const answer = await client.response(
    ...requestFor(route, { id, sku: id, shop: id, buyerId: 'carol', deliveryId: delivery }, VALUES),
  );
  await answer.body?.cancel();
  return answer.status;
}

/** All that the owners see. */
async function look(): Promise<unknown> {
  const read = async (path: string) => (await seller.client.get(path)).body;
  return {
    sku: await read(`/v1/skus/${sku}`),
    wallet: await read(`/v1/wallets/${wallet}`),
    entries: await read(`/v1/wallets/${wallet}/entries`),
    orders: await read('/v1/orders'),
    order: await read(`/v1/orders/${open}`),
    events: await read(`/v1/orders/${open}/events`),
    webhook: { ...(await read(`/v1/webhooks/${webhook}`)), failingSince: null },
  };
}
const before = await look();

describe("somebody else's id", () => {
  test.each(named(withId))('of %s is not found, and nothing happens', async (_name, route) => {
    const access = findAccess(route.operation.operationId);
    // It makes a SKU of the stranger's own, or erases a buyer of the stranger's own.
    const isOwnName = ['putSku', 'erasePersonalData'].includes(route.operation.operationId);
    let tried = 0;
    for (const [who, { role, client }] of strangers) {
      const isShared = route.path.includes('/skus/') && who === 'another buyer';
      if (access?.roles.includes(role) !== true || access.shops === 'none' || isShared) continue;
      if (route.operation.operationId === 'putSku') continue;
      const { status, body } = await call(route, client);
      if (isOwnName) {
        expect([who, status]).toEqual([who, 204]);
        continue;
      }
      expect([who, status, body.code]).toEqual([who, 404, 'not_found']);
      // It says the same of an id that nobody has.
      const id = idFor(route.path);
      const [path, init] = requestFor(
        route,
        route.path.startsWith('/v1/keys/') ? { id: makeKeyId() } : { ...NOBODYS, buyerId: 'carol' },
        VALUES,
      );
      const nobodys = await client.raw(path, init);
      const other = path.split('/')[3] ?? '';
      expect(JSON.stringify(nobodys.body).replaceAll(other, id)).toBe(JSON.stringify(body));
      tried += 1;
    }
    expect(tried > 0 || isOwnName || access?.shops === 'none').toBe(true);
    expect(await look()).toEqual(before);
  });

  test.each(named(lists))('is in no list of %s', async (_name, route) => {
    const access = findAccess(route.operation.operationId);
    for (const [who, { role, client }] of strangers) {
      if (access?.roles.includes(role) !== true || access?.shops === 'none') continue;
      const { status, body } = await call(route, client);
      expect([who, status]).toEqual([who, 200]);
      for (const secret of [sku, wallet, open, paid, sellersKey, webhook])
        expect(JSON.stringify(body)).not.toContain(secret);
    }
  });

  test('is found by those whose it is, so that what was not found before was there', async () => {
    for (const route of withId.filter(({ method }) => method === 'GET'))
      for (const { role, client } of [seller, alice])
        if (findAccess(route.operation.operationId)?.roles.includes(role) === true)
          expect([route.path, role, await statusOf(route, client)]).toEqual([route.path, role, 200]);
  });

  test('is in no answer of the audit, whatever is asked for, and in that of its own shop', async () => {
    const filters = [`orderId=${open}`, `subject=${wallet}`, `subject=main/${sku}`, `subject=${sellersKey}`];
    const itemsOf = async (client: ApiClient, filter: string) =>
      (await client.get<{ items?: unknown[] }>(`/v1/audit?${filter}`)).body.items;
    for (const filter of filters) {
      for (const [who, { role, client }] of strangers)
        if (mayCall('listAudit', [role])) expect([who, await itemsOf(client, filter)]).toEqual([who, []]);
      expect([filter, (await itemsOf(seller.client, filter))?.length]).not.toEqual([filter, 0]);
    }
  });

  test('of a buyer cannot be asked for in a list', async () => {
    const [, bob] = strangers.find(([who]) => who === 'another buyer') ?? [];
    expect((await bob?.client.get('/v1/orders?buyerId=alice'))?.body['items']).toEqual([]);
  });
});

describe('a SKU', () => {
  test('may have the same name in another shop, and is another one', async () => {
    const [, merchant] = strangers[0] ?? [];
    const other = { name: 'Other tea', price: { amount: 1, currency: 'USD' }, onHand: 7 };
    expectStatus(await (merchant ?? seller).client.putSku(sku, other), 201);
    expect((await (merchant ?? seller).client.getSku(sku)).body).toMatchObject({
      name: 'Other tea',
      onHand: 7,
    });
    expect(await look()).toEqual(before);
  });

  test('of the shop can be read by its buyers', async () => {
    for (const name of ['alice', 'bob'])
      expect((await (await buyer(name, 'main')).client.getSku(sku)).body).toMatchObject({ name: 'Tea' });
  });
});

describe('a token', () => {
  test('of a shop that does not exist here is let in nowhere', async () => {
    const { client } = await buyer('alice', 'coffee');
    for (const route of guarded) expect((await call(route, client)).body.code).toBe('forbidden');
  });
});

describe('a buyer', () => {
  test('orders and opens wallets for itself only, and no answer to another wish is kept', async () => {
    const key = crypto.randomUUID();
    const order = { walletId: wallet, lines: [{ sku, quantity: 1 }] };
    for (const answer of [
      await alice.client.createOrder({ ...order, buyerId: 'bob' }, { key }),
      await alice.client.createWallet({ ownerId: 'bob', currency: 'EUR' }, { key }),
    ])
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await sql`select from idempotency_key where key = ${key}`).toHaveLength(0);
    expectStatus(await alice.client.createWallet({ ownerId: 'alice', currency: 'EUR' }, { key }), 201);
  });

  test('cancels an order that is not paid, and cannot refund one that is paid by cancelling it', async () => {
    const [mine, bought] = [await place(), await place()];
    expectStatus(await alice.client.payOrder(bought), 200);
    const bothThere = await look();
    expect(await alice.client.cancelOrder(bought, { reason: 'changed my mind' })).toMatchObject({
      status: 409,
      body: { code: 'order_not_cancellable', detail: 'The order is already paid.' },
    });
    expect(await look()).toEqual(bothThere);
    expect(await alice.client.cancelOrder(mine, { reason: 'changed my mind' })).toMatchObject({
      body: { stage: 'cancelled' },
    });
    expect(await seller.client.cancelOrder(bought, { reason: 'broken' })).toMatchObject({
      body: { stage: 'refunded' },
    });
  });
});

describe('an operator', () => {
  test('cancels and refunds orders of the shop that it works in, and does not pay them', async () => {
    const { client } = await withKey('operator', 'main');
    const [mine, bought] = [await place(), await place()];
    expectStatus(await alice.client.payOrder(bought), 200);
    expect(await client.payOrder(mine)).toMatchObject({ status: 403 });
    expect(await client.cancelOrder(mine, { reason: 'asked by phone' })).toMatchObject({
      body: { stage: 'cancelled' },
    });
    expect(await client.refundOrder(bought, { reason: 'broken', restock: false })).toMatchObject({
      body: { stage: 'refunded' },
    });
  });

  test('of the installation sees the orders of all shops at once', async () => {
    const key = await plantKey(sql, { roles: ['operator'] });
    const all = new ApiClient(send, { key, shop: '*' });
    expect((await all.getOrder(open)).status).toBe(200);
    expect(JSON.stringify((await all.get('/v1/orders')).body)).toContain(open);
  });
});

describe('an order that is not recorded yet', () => {
  test('takes commands from who placed it and from nobody else', async () => {
    await system.stopWorker();
    const order = { buyerId: 'alice', walletId: wallet, lines: [{ sku, quantity: 1 }] };
    const placing = alice.client.createOrder(order);
    const id = await unansweredOrder(system);
    const others: [string, Person][] = [...strangers, ["the shop's merchant, who did not place it", seller]];
    for (const [who, { role, client }] of others) {
      if (mayCall('cancelOrder', [role])) {
        const { status, body } = await client.cancelOrder(id, { reason: 'mine now' });
        expect([who, status, body.code]).toEqual([who, 404, 'not_found']);
      }
      if (mayCall('payOrder', [role])) {
        const { status, body } = await client.payOrder(id);
        expect([who, status, body.code]).toEqual([who, 404, 'not_found']);
      }
    }
    const cancelling = alice.client.cancelOrder(id, { reason: 'changed my mind' });
    await system.startWorker();
    expect((await placing).status).not.toBe(404);
    expect((await cancelling).status).not.toBe(404);
    expect((await alice.client.cancelOrder(id, { reason: 'changed my mind' })).body.code).toBe(
      'order_cancelled',
    );
  });
});
