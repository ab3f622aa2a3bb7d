/** Every page leads to the next, every 201 to what it shows, and what was read need not be sent again. */
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Answer } from '../../../api/client.ts';
import { expectRulesHold } from '../../support/database.ts';
import { publishedApi } from '../../support/published-routes.ts';
import { expectStatus, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const { shop, sql } = await startSystem();
afterAll(() => expectRulesHold(sql));

const sku = await shop.sku(100);
const wallet = await shop.wallet(10_000);
const orders = [
  await shop.placed(wallet, sku),
  await shop.placed(wallet, sku),
  await shop.placed(wallet, sku),
];
const pageOf = ({ body }: Answer) =>
  z.object({ items: z.array(z.object({ id: z.string() })), nextCursor: z.string().nullable() }).parse(body);

describe('a page', () => {
  test('links to the next one with everything that was asked for, and the last one to none', async () => {
    const seen: string[] = [];
    let path: string | undefined = '/v1/orders?stage=awaiting_payment&limit=2&buyerId=buyer';
    while (path !== undefined) {
      const answer: Answer = expectStatus(await shop.get(path), 200);
      const { items, nextCursor } = pageOf(answer);
      seen.push(...items.map(({ id }) => id));
      const link = answer.headers.get('link');
      expect(link === null).toBe(nextCursor === null);
      [, path] = /^<([^>]*)>; rel="next"$/.exec(link ?? '') ?? [];
      if (path !== undefined) expect(path).toContain('stage=awaiting_payment&limit=2&buyerId=buyer&cursor=');
    }
    expect(seen).toEqual(orders.toReversed());
  });

  test('links to the next one also when what was asked for has to be encoded', async () => {
    const other = await shop.wallet(0, 'EUR', 'Ütt & Söhne');
    for (let count = 0; count < 2; count++) await shop.placed(other, sku, 1, { buyerId: 'Ütt & Söhne' });
    const first = expectStatus(
      await shop.get(`/v1/orders?limit=1&buyerId=${encodeURIComponent('Ütt & Söhne')}`),
      200,
    );
    const [, path = ''] = /^<([^>]*)>/.exec(first.headers.get('link') ?? '') ?? [];
    expect(pageOf(await shop.get(path)).items).toHaveLength(1);
  });
});

/** What each creates: the body of a first request, which is answered with 201. */
const CREATIONS: [what: string, create: () => Promise<Answer>][] = [
  ['an order', () => shop.order(wallet, [{ sku, quantity: 1 }])],
  ['a wallet', () => shop.createWallet({ ownerId: 'buyer', currency: 'EUR' })],
  ['a deposit', () => shop.depositIntoWallet(wallet, { amount: 1 })],
  ['a SKU', () => shop.putSku('NEW', { name: 'New', price: { amount: 1, currency: 'EUR' } })],
  ['a restock', () => shop.restockSku(sku, { quantity: 1 })],
  ['a shop', () => shop.put('/v1/shops/new', { name: 'New' })],
  ['a key', () => shop.post('/v1/keys', { name: 'new', roles: ['auditor'] })],
  [
    'a permission',
    () => shop.put(`/v1/wallets/${wallet}/permissions/${encodeURIComponent('Ä/ö 7')}`, undefined),
  ],
];

describe('the answer to a creation', () => {
  test.each(CREATIONS)('of %s leads to what it shows', async (_what, create) => {
    const created = expectStatus(await create(), 201);
    const shown = Object.fromEntries(
      Object.entries(created.body).filter(([name]) => name !== 'text' && name !== 'lastUsedAt'),
    );
    const headers = { 'holdfast-shop': created.headers.get('location') === '/v1/shops/new' ? '*' : 'main' };
    const read = expectStatus(await shop.get(created.headers.get('location') ?? '', { headers }), 200);
    expect(read.body).toMatchObject(shown);
  });
});

describe('every single thing that can be read', () => {
  const created = Promise.all([
    shop.post('/v1/keys', { name: 'another', roles: ['auditor'] }),
    shop.put(`/v1/wallets/${wallet}/permissions/friend`, undefined),
  ]);
  test.each([
    ['an order', () => `/v1/orders/${orders[0] ?? ''}`],
    ['a wallet', () => `/v1/wallets/${wallet}`],
    ['a SKU', () => `/v1/skus/${sku}`],
    ['a shop', () => '/v1/shops/main'],
    ['a key', async () => `/v1/keys/${idOf((await created)[0])}`],
    ['a permission', async () => (await created, `/v1/wallets/${wallet}/permissions/friend`)],
    ['the currencies', () => '/v1/currencies'],
  ])('such as %s has a tag, and is not sent again while it is the same', async (_what, path) => {
    const at = await path();
    const tag = expectStatus(await shop.get(at), 200).headers.get('etag') ?? '';
    const again = await shop.get(at, { headers: { 'if-none-match': `"other", ${tag}` } });
    expect([again.status, again.headers.get('etag'), again.body]).toEqual([304, tag, {}]);
    expectStatus(await shop.get(at, { headers: { 'if-none-match': '"other"' } }), 200);
  });
});

describe('the OpenAPI document', () => {
  test('says which answers have a Location, a Link and an ETag', async () => {
    const { routes } = await publishedApi(shop);
    const headersOf = (status: string) =>
      routes.flatMap(({ operation }) => {
        const answer = z
          .looseObject({ headers: z.record(z.string(), z.unknown()).default({}) })
          .optional()
          .parse(operation.responses[status]);
        return answer ? [{ id: operation.operationId, headers: Object.keys(answer.headers) }] : [];
      });
    expect(headersOf('201').filter(({ headers }) => !headers.includes('Location'))).toEqual([]);
    expect(headersOf('304').filter(({ headers }) => !headers.includes('ETag'))).toEqual([]);
    const pages = headersOf('200').filter(({ headers }) => headers.includes('Link'));
    expect(pages.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['listOrders', 'listEvents', 'listKeys']),
    );
  });
});
