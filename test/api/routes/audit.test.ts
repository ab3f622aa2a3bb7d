/** The audit over HTTP: who changed what, and who may read it. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ApiClient } from '../../../api/client.ts';
import type { Role, Scope } from '../../../domain/access.ts';
import { ALL_SHOPS } from '../../../domain/shops.ts';
import { expectRulesHold } from '../../support/database.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { expectStatus, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { seal } from '../../support/tampering.ts';

const { send, sql, database } = await startSystem();

afterEach(() => expectRulesHold(sql));

const callerWith = async (roles: Role[], shop: string | null = 'main') => {
  const text = await plantKey(sql, { roles, shop });
  return { client: new ApiClient(send, { key: text }), actor: `key:${text.split('_')[1]}` };
};
await sql`insert into shop (id, name) values ('north', 'North')`;
const seller = await callerWith(['merchant']);
const northern = await callerWith(['merchant'], 'north');
const auditor = await callerWith(['auditor'], null);

const pageSchema = z.object({
  items: z.array(
    z.looseObject({
      seq: z.int(),
      kind: z.string(),
      subject: z.string(),
      actor: z.string(),
      recordedAt: z.string(),
    }),
  ),
  nextCursor: z.string().nullable(),
});
const list = async (query = '', { client } = auditor, headers: Record<string, string> = {}) =>
  pageSchema.parse(expectStatus(await client.get(`/v1/audit?${query}`, { headers }), 200).body);
const EVERYWHERE = { 'holdfast-shop': ALL_SHOPS };

const price = { amount: 500, currency: 'EUR' };
let orderId = '';
let wallet = '';
beforeAll(async () => {
  expectStatus(await seller.client.putSku('TEA', { name: 'Tea', price, onHand: 10 }), 201);
  wallet = idOf(expectStatus(await seller.client.createWallet({ ownerId: 'alice', currency: 'EUR' }), 201));
  expectStatus(await seller.client.depositIntoWallet(wallet, { amount: 10_000 }), 201);
  orderId = idOf(
    expectStatus(
      await seller.client.createOrder({
        buyerId: 'alice',
        walletId: wallet,
        lines: [{ sku: 'TEA', quantity: 2 }],
      }),
      201,
    ),
  );
  expectStatus(await seller.client.payOrder(orderId), 200);
  expectStatus(await northern.client.putSku('MILK', { name: 'Milk', price, onHand: 1 }), 201);
  await seal(database);
});

describe('GET /v1/audit', () => {
  test('tells of an order who did what to it, to its money and to its units, newest first', async () => {
    const { items } = await list(`orderId=${orderId}`);
    expect(items.map(({ kind, subject, actor }) => [kind, subject, actor])).toEqual(
      expect.arrayContaining([
        ['order', orderId, seller.actor],
        ['wallet', wallet, seller.actor],
        ['sku', 'main/TEA', seller.actor],
      ]),
    );
    const [paid, placed] = items.filter(({ kind }) => kind === 'order');
    expect(paid).toMatchObject({
      shopId: 'main',
      orderId,
      requestId: expect.any(String),
      before: { stage: 'awaiting_payment', version: 1 },
      after: { stage: 'paid', version: 2 },
    });
    expect(placed).toMatchObject({ before: null, after: { stage: 'awaiting_payment', version: 1 } });
    expect(items.map(({ seq }) => seq)).toEqual(items.map(({ seq }) => seq).toSorted((a, b) => b - a));
  });

  test('answers with every condition that it takes', async () => {
    const all = (await list('limit=100')).items;
    const where = (is: (item: (typeof all)[number]) => boolean) => all.filter(is).map(({ seq }) => seq);
    const seqs = async (query: string) => (await list(`limit=100&${query}`)).items.map(({ seq }) => seq);
    expect(await seqs('subject=main/TEA')).toEqual(where(({ subject }) => subject === 'main/TEA'));
    expect(await seqs('kind=wallet')).toEqual(where(({ kind }) => kind === 'wallet'));
    expect(await seqs(`actor=${seller.actor}`)).toEqual(where(({ actor }) => actor === seller.actor));
    const middle = all[Math.floor(all.length / 2)]?.recordedAt ?? '';
    const instant = `${middle.slice(0, 23)}000Z`;
    expect(await seqs(`from=${instant}`)).toEqual(where(({ recordedAt }) => recordedAt >= instant));
    expect(await seqs(`to=${instant}`)).toEqual(where(({ recordedAt }) => recordedAt < instant));
    for (const query of ['subject=main/TEA', 'kind=wallet', `actor=${seller.actor}`, `from=${instant}`])
      expect((await seqs(query)).length, query).toBeGreaterThan(0);
    expect(await seqs('subject=nobody&kind=settings')).toEqual([]);
  });

  test('is read in pages without a gap or a repetition', async () => {
    const all = (await list('limit=100')).items;
    const found = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: z.output<typeof pageSchema> = await list(`limit=3${cursor && `&cursor=${cursor}`}`);
      found.push(...page.items);
      cursor = page.nextCursor;
    }
    expect(found).toEqual(all);
  });

  test('shows a merchant its own shop, and an auditor of the installation everything', async () => {
    const shops = async (...args: Parameters<typeof list>) =>
      new Set((await list(...args)).items.map((item) => item['shopId']));
    expect(await shops('limit=100', seller)).toEqual(new Set(['main']));
    expect(await shops('limit=100', northern)).toEqual(new Set(['north']));
    expect(await shops(`orderId=${orderId}`, northern)).toEqual(new Set());
    expect(await shops('limit=100', auditor, EVERYWHERE)).toEqual(new Set(['main', 'north', undefined]));
  });

  test.each(['operator', 'admin'] as const)('is not for a key with the role of %s alone', async (role) => {
    const { client } = await callerWith([role]);
    expect(await client.get('/v1/audit')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  test('takes a key that is limited to the scope audit:read, and no other scope', async () => {
    const withScope = async (scope: Scope) =>
      new ApiClient(send, {
        key: await plantKey(sql, { roles: ['auditor'], shop: 'main', scopes: [scope] }),
      });
    expect((await (await withScope('audit:read')).get('/v1/audit')).status).toBe(200);
    expect((await (await withScope('findings:read')).get('/v1/audit')).status).toBe(403);
  });

  test('lists a change once it is sealed, and not before', async () => {
    expectStatus(await seller.client.restockSku('TEA', { quantity: 1 }), 200, 201);
    const newest = async () => (await list('subject=main/TEA&limit=1')).items[0];
    const before = await newest();
    await seal(database);
    expect(await newest()).toMatchObject({
      seq: expect.toSatisfy((seq) => seq > (before?.seq ?? 0)),
      actor: seller.actor,
    });
  });

  test.each(['kind=nothing', 'from=yesterday', 'subject=', 'subject=a%00b', 'cursor=x', 'order=1'])(
    'refuses %s',
    async (query) => {
      const { status, body } = await auditor.client.get(`/v1/audit?${query}`);
      expect([status, body.code]).toEqual([400, 'validation_failed']);
    },
  );
});
