/** Shops are made over HTTP by the installation's admins, and each has its own SKUs, wallets and orders from then on. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ALL_SHOPS } from '../../../domain/shops.ts';
import { Shop, expectStatus } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const { shop, send } = await startSystem();

const keyText = z.looseObject({ text: z.string() });

async function callerFor(roles: readonly string[], at: string): Promise<Shop> {
  const options = { headers: { 'holdfast-shop': at } };
  const answer = await shop.post('/v1/keys', { name: 'test', roles }, options);
  return new Shop(send, { key: keyText.parse(expectStatus(answer, 201).body).text });
}

describe('a shop', () => {
  test('is created by the first PUT, renamed by the next, read and listed', async () => {
    const created = expectStatus(await shop.put('/v1/shops/north', { name: ' North ' }), 201);
    expect(created.body).toEqual({ id: 'north', name: 'North', createdAt: expect.any(String) });
    const renamed = expectStatus(await shop.put('/v1/shops/north', { name: 'Far north' }), 200);
    expect(renamed.body).toEqual({ ...created.body, name: 'Far north' });
    expect(
      expectStatus(await shop.get('/v1/shops/north', { headers: { 'holdfast-shop': 'north' } }), 200).body,
    ).toEqual(renamed.body);
    const first = expectStatus(await shop.get('/v1/shops?limit=1'), 200).body;
    expect(first).toMatchObject({ items: [{ id: 'main' }], nextCursor: expect.any(String) });
    const second = expectStatus(
      await shop.get(`/v1/shops?limit=1&cursor=${String(first['nextCursor'])}`),
      200,
    ).body;
    expect(second).toMatchObject({ items: [{ id: 'north' }], nextCursor: null });
  });

  test('has a SKU of its own under a name that another shop has, too, and sells it', async () => {
    expectStatus(await shop.put('/v1/shops/south', { name: 'South' }), 201);
    const south = await callerFor(['merchant'], 'south');
    const sku = await shop.sku(7);
    expect((await south.getSku(sku)).status).toBe(404);
    expectStatus(
      await south.putSku(sku, { name: 'Ours', price: { amount: 100, currency: 'EUR' }, onHand: 2 }),
      201,
    );
    const order = await south.placed(await south.wallet(1_000), sku, 2);
    expect(await south.pay(order)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await south.stockOf(sku)).toEqual({ onHand: 0, reserved: 0, available: 0 });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 7, reserved: 0, available: 7 });
    expect((await shop.getOrder(order)).status).toBe(404);
  });

  test.each(['North', '1st', 'a'.repeat(64), 'a_b', '*', 'ü'])('cannot be called %s', async (id) => {
    expect(await shop.put(`/v1/shops/${encodeURIComponent(id)}`, { name: 'x' })).toMatchObject({
      status: 400,
      body: { code: 'validation_failed' },
    });
  });

  test("is neither made nor renamed by a shop's own admin, who sees no other", async () => {
    const admin = await callerFor(['admin', 'merchant'], 'north');
    for (const id of ['north', 'west'])
      expect(await admin.put(`/v1/shops/${id}`, { name: 'Mine' })).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      });
    expect((await admin.get('/v1/shops')).status).toBe(403);
    expect((await admin.get('/v1/shops/north')).status).toBe(200);
    expect((await admin.get('/v1/shops/main')).status).toBe(404);
    expect((await admin.get('/v1/shops/north', { headers: { 'holdfast-shop': ALL_SHOPS } })).status).not.toBe(
      200,
    );
  });
});
