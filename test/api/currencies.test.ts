/** Which currencies money may be in, and how many digits their minor units have: by ISO 4217, not by a runtime's locale data. */
import { randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { CURRENCIES, MINOR_DIGITS, RETIRED } from '../../domain/currencies.ts';
import { takeMeasure } from '../../db/monitor/measures.ts';
import { expectRulesHold } from '../support/database.ts';
import { plantPayments } from '../support/planted.ts';
import { expectStatus } from '../support/shop.ts';
import { fundedWallet, stockedSku } from '../support/stock.ts';
import { startSystem } from '../support/system.ts';

const { shop, sql, database } = await startSystem();

describe('the table of currencies', () => {
  test('has the 165 codes of List One that have a minor unit, in capitals, with 0 to 4 digits', () => {
    expect(CURRENCIES.size).toBe(165);
    for (const [code, digits] of CURRENCIES) {
      expect(code).toMatch(/^[A-Z]{3}$/);
      expect([code, [0, 2, 3, 4].includes(digits)]).toEqual([code, true]);
    }
  });

  test('has no code that is both accepted and retired, and knows the digits of all', () => {
    for (const [code, { digits, why }] of RETIRED) {
      expect([code, CURRENCIES.has(code)]).toEqual([code, false]);
      expect(why).toMatch(/withdrawn from ISO 4217 in 20\d\d-\d\d$|no minor unit/);
      expect(MINOR_DIGITS.get(code)).toBe(digits);
    }
    expect(MINOR_DIGITS.size).toBe(CURRENCIES.size + RETIRED.size);
  });

  test.each([
    [0, ['JPY', 'KRW', 'CLP', 'ISK', 'UGX', 'UYI', 'VND', 'XAF', 'XOF', 'XPF', 'PYG', 'BIF']],
    [3, ['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND']],
    [4, ['CLF', 'UYW']],
    [2, ['EUR', 'USD', 'VED', 'VES', 'SLE', 'XCG', 'ZWG', 'XAD', 'MRU', 'STN', 'BYN', 'CHE', 'BOV', 'USN']],
  ])('gives %i digits to %j', (digits, codes) => {
    expect(codes.map((code) => [code, CURRENCIES.get(code)])).toEqual(codes.map((code) => [code, digits]));
  });

  test('does not follow locale data where it has other digits', () => {
    const otherwise = 'AFN ALL COP HUF IDR IRR IQD KPW LAK LBP MGA MMK PKR SLL SOS SYP YER'.split(' ');
    expect(otherwise).toHaveLength(17);
    expect(otherwise.map((code) => MINOR_DIGITS.get(code))).toEqual(
      otherwise.map((code) => (code === 'IQD' ? 3 : 2)),
    );
  });

  test('is the only source: no code of the product asks the runtime for a currency', async () => {
    const folders = ['activities', 'api', 'db', 'dev', 'ops', 'worker', 'workflows'];
    const root = new URL('../../', import.meta.url);
    const files = await Promise.all(
      folders.map(async (folder) => {
        const names = await readdir(new URL(`${folder}/`, root), { recursive: true });
        return names.filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`);
      }),
    );
    const asking = await Promise.all(
      files.flat().map(async (file) => {
        const text = await readFile(new URL(file, root), 'utf8');
        return /\bIntl\b|style: 'currency'/.test(text) ? [file] : [];
      }),
    );
    expect(asking.flat()).toEqual([]);
  });
});

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

describe('what is in a currency that was withdrawn since', () => {
  test('is a wallet, for a retry of the request that opened it before', async () => {
    const [key, body] = [randomUUID(), { ownerId: 'o', currency: 'HRK' }];
    expectStatus(await shop.post('/v1/wallets', body, { key }), 400);
    // As an earlier release answered it.
    await sql`
      update idempotency_key set response_status = 201, response_body = '{"currency": "HRK"}' where key = ${key}
    `;
    expect(expectStatus(await shop.post('/v1/wallets', body, { key }), 201).body).toEqual({
      currency: 'HRK',
    });
  });

  test('goes on: its SKU is renamed, its orders are paid, refunded, cancelled, and its figures read', async () => {
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

  test('takes no new price: neither another amount, nor a SKU that comes from another currency', async () => {
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

describe('a payment counts for busy buyers', () => {
  const busy = () =>
    takeMeasure(database, 'busy_buyers', new Date().toISOString(), {
      pendingLongAfter: 1_800_000,
      busyBuyerPayments: 50,
      busyBuyerAmount: 10_000,
      runEvery: { reconcile: 300_000, stats: 60_000, monitor: 60_000 },
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
  ])('in %s from above 10,000 whole units on, which are %i minor units', async (currency, limit) => {
    const buyerId = `busy in ${currency}`;
    await plantPayments(sql, 1, { buyerId, currency, total: limit });
    expect((await busy()).subjects).not.toContain(buyerId);
    await plantPayments(sql, 1, { buyerId, currency, total: 1 });
    expect((await busy()).subjects).toContain(buyerId);
  });
});
