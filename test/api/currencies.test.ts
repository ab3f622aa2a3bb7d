/** Which currencies new wallets and prices may use, and what a withdrawn currency still allows. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { takeMeasure } from '../../db/monitor/measures.ts';
import { expectRulesHold } from '../support/database.ts';
import { plantPayments } from '../support/planted.ts';
import { expectStatus } from '../support/shop.ts';
import { fundedWallet, stockedSku } from '../support/stock.ts';
import { startSystem } from '../support/system.ts';

const { shop, sql, database } = await startSystem();

const priced = (currency: string, amount = 500) => ({ name: 'Test', price: { amount, currency } });

describe('a new wallet or price', () => {
  test.each(['VED', 'SLE', 'XCG', 'ZWG', 'PKR', 'CLF', 'XOF'])('may be in %s', async (currency) => {
    expectStatus(await shop.post('/v1/wallets', { ownerId: 'o', currency }), 201);
    expectStatus(await shop.put(`/v1/skus/in-${currency}`, priced(currency)), 201);
  });

  test.each([
    ['HRK', /withdrawn/],
    ['ZWL', /withdrawn/],
    ['CUC', /withdrawn/],
    ['SLL', /withdrawn/],
    ['ANG', /withdrawn/],
    ['BGN', /withdrawn/],
    ['DEM', /must be/],
    ['XAU', /must be/],
    ['XDR', /no minor unit/],
    ['XTS', /must be/],
    ['XXX', /must be/],
    ['eur', /must be/],
    ['EURO', /must be/],
    ['__proto__', /must be/],
    ['constructor', /must be/],
  ])('may not be in %s, and the answer says why', async (currency, why) => {
    const wallet = expectStatus(await shop.post('/v1/wallets', { ownerId: 'o', currency }), 400);
    expect(wallet.body).toMatchObject({
      code: 'validation_failed',
      errors: [{ field: 'currency', message: expect.stringMatching(why) }],
    });
    const sku = expectStatus(await shop.put('/v1/skus/not-there', { ...priced(currency), onHand: 1 }), 400);
    expect(sku.body).toMatchObject({
      code: 'validation_failed',
      errors: [{ field: 'price.currency', message: expect.stringMatching(why) }],
    });
    expectStatus(await shop.get('/v1/skus/not-there'), 404);
  });
});

describe('after a currency was withdrawn,', () => {
  test('a wallet that was opened in it before is returned for a retry of its request', async () => {
    const [key, body] = [randomUUID(), { ownerId: 'o', currency: 'HRK' }];
    expectStatus(await shop.post('/v1/wallets', body, { key }), 400);
    // The answer of an earlier release.
    await sql`
      update idempotency_key set response_status = 201, response_body = '{"currency": "HRK"}' where key = ${key}
    `;
    expect(expectStatus(await shop.post('/v1/wallets', body, { key }), 201).body).toEqual({
      currency: 'HRK',
    });
  });

  test('a SKU in it can be renamed, and its orders can be placed, paid, refunded and cancelled', async () => {
    const [sku, wallet] = await Promise.all([
      stockedSku(sql, { onHand: 10, currency: 'HRK' }),
      fundedWallet(sql, { funds: 5_000, currency: 'HRK' }),
    ]);
    expectStatus(await shop.put(`/v1/skus/${sku}`, { ...priced('HRK'), name: 'Renamed' }), 200);
    expect((await shop.get(`/v1/skus/${sku}`)).body).toMatchObject({
      name: 'Renamed',
      price: { currency: 'HRK' },
    });

    const paid = await shop.placed(wallet, sku, 2);
    expectStatus(await shop.pay(paid), 200);
    expectStatus(await shop.refund(paid, true), 200);
    expectStatus(await shop.cancel(await shop.placed(wallet, sku, 1, { paymentMode: 'hold' })), 200);
    expectStatus(await shop.post(`/v1/wallets/${wallet}/deposits`, { amount: 1 }), 201);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_001, held: 0 });
    expect((await shop.get(`/v1/wallets/${wallet}`)).body).toMatchObject({ currency: 'HRK' });
    await expectRulesHold(sql);
  });

  test('no SKU can get a new price in it, whether its old price is in it or not', async () => {
    const [kuna, euro] = await Promise.all([
      stockedSku(sql, { onHand: 1, currency: 'HRK' }),
      stockedSku(sql, { onHand: 1, currency: 'EUR' }),
    ]);
    const message = expect.stringMatching(/withdrawn from ISO 4217 in 2023-01/);
    for (const [sku, body] of [[kuna, priced('HRK', 501)] as const, [euro, priced('HRK')] as const])
      expect(expectStatus(await shop.put(`/v1/skus/${sku}`, body), 400).body).toMatchObject({
        code: 'validation_failed',
        errors: [{ field: 'price.currency', message }],
      });
    expectStatus(await shop.put(`/v1/skus/${kuna}`, priced('EUR', 66)), 200);
  });
});

describe('a buyer counts as busy', () => {
  const busy = () =>
    takeMeasure(database, 'busy_buyers', new Date().toISOString(), {
      pendingLongAfter: 1_800_000,
      busyBuyerPayments: 50,
      busyBuyerAmount: 10_000,
      runEvery: {
        reconcile: 300_000,
        stats: 60_000,
        monitor: 60_000,
        retention: 60_000,
        seal: 60_000,
        webhooks: 60_000,
        payments: 60_000,
      },
    });

  test.each([
    ['PKR', 1_000_000],
    ['IDR', 1_000_000],
    ['HUF', 1_000_000],
    ['COP', 1_000_000],
    ['SLL', 1_000_000],
    ['IQD', 10_000_000],
    ['CLF', 100_000_000],
    ['UGX', 10_000],
  ])('after paying more than 10,000 whole units of %s, which are %i minor units', async (currency, limit) => {
    const buyerId = `busy in ${currency}`;
    await plantPayments(sql, 1, { buyerId, currency, total: limit });
    expect((await busy()).subjects).not.toContain(`main/${buyerId}`);
    await plantPayments(sql, 1, { buyerId, currency, total: 1 });
    expect((await busy()).subjects).toContain(`main/${buyerId}`);
  });
});
