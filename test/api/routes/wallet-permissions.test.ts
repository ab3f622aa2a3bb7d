/** A buyer orders with somebody else's wallet only as long as that is allowed. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { expectStatus } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const { shop } = await startSystem();

const pathOf = (wallet: string, buyer: string) =>
  `/v1/wallets/${wallet}/permissions/${encodeURIComponent(buyer)}`;

describe('another buyer than the owner of a wallet', () => {
  test('orders with it once that is allowed, no longer once it is not, and pays what was ordered', async () => {
    const [wallet, sku] = [await shop.wallet(10_000), await shop.sku(10)];
    const order = () => shop.order(wallet, [{ sku, quantity: 1 }], { buyerId: 'bob' });
    const refused = { status: 422, body: { code: 'wallet_not_allowed' } };
    expect(await order()).toMatchObject(refused);
    expectStatus(await shop.put(pathOf(wallet, 'bob'), undefined), 201);
    const placed = expectStatus(await order(), 201).body.id;
    expectStatus(await shop.raw(pathOf(wallet, 'bob'), { method: 'DELETE' }), 204);
    expect(await order()).toMatchObject(refused);
    expect(await shop.pay(placed)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('is allowed and disallowed as often as somebody likes, whatever its name is', async () => {
    const wallet = await shop.wallet(0);
    const buyer = 'bob & söhne/100%';
    const path = pathOf(wallet, buyer);
    expect(await shop.get(path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const first = expectStatus(await shop.put(path, undefined), 201).body;
    expect(first).toEqual({ walletId: wallet, buyerId: buyer, allowedAt: expect.any(String) });
    expect(expectStatus(await shop.put(path, undefined), 200).body).toEqual(first);
    expect(expectStatus(await shop.get(path), 200).body).toEqual(first);
    for (let n = 0; n < 2; n += 1) expectStatus(await shop.raw(path, { method: 'DELETE' }), 204);
    expect((await shop.get(path)).status).toBe(404);
  });

  test('cannot be allowed for a wallet that does not exist', async () => {
    const path = pathOf(randomUUID(), 'bob');
    for (const method of ['PUT', 'DELETE', 'GET'])
      expect(await shop.raw(path, { method })).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });
});
