/** What a caller may say of an order besides its lines, and what it gets back of it. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { identifyBearers } from '../../../api/access/tokens.ts';
import type { Answer, Order } from '../../../api/client.ts';
import { EXACT_LIMIT } from '../../../domain/limits.ts';
import { expectRulesHold } from '../../support/database.ts';
import { startIssuer } from '../../support/issuer.ts';
import { readHistory } from '../../support/history.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import { Shop, expectStatus, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const issuer = await startIssuer();
const system = await startSystem({ identifyBearer: identifyBearers(issuer.settings) });
const { shop, sql, send, client } = system;
const asBuyer = new Shop(send, { key: await issuer.sign({ sub: 'buyer' }) });
const asOperator = new Shop(send, { key: await plantKey(sql, { roles: ['operator'] }) });

afterEach(() => expectRulesHold(sql));

const [sku, wallet] = await Promise.all([
  shop.sku(1_000_000, { amount: 1_000, currency: 'EUR' }),
  shop.wallet(1_000_000),
]);
const problemOf = ({ status, body }: Answer) => ({ status, code: body.code });
const reservedUnits = async () => expectStatus(await shop.getSku(sku), 200).body.reserved;

interface Listed {
  items: Order[];
  nextCursor: string | null;
}

async function list(query: Record<string, string>, by: Shop = shop): Promise<Listed> {
  const answer = await by.get<Listed>(`/v1/orders?${new URLSearchParams(query).toString()}`);
  return expectStatus(answer, 200).body;
}

const DISCOUNT = { kind: 'discount', label: 'Ten per cent off', amount: -200, sku };
const TAX = { kind: 'tax', label: 'VAT 19 %', amount: 342 };
const SHIPPING = { kind: 'shipping', label: 'Parcel', amount: 490 };

describe('the adjustments of an order', () => {
  test('are refused with a SKU that is not ordered, which no schema can say', async () => {
    const adjustments = [TAX, { ...DISCOUNT, sku: 'OTHER' }];
    const answer = await shop.order(wallet, [{ sku, quantity: 1 }], { adjustments });
    expect(problemOf(answer)).toEqual({ status: 422, code: 'incompatible_parameters' });
    expect(answer.body['errors']).toContainEqual({ field: 'adjustments.1.sku', message: expect.any(String) });
  });

  test('are added to its lines, and are in every reply with the order as they were given', async () => {
    const adjustments = [DISCOUNT, TAX, SHIPPING, { kind: 'fee', label: '\u{1f381} Gift wrap', amount: 1 }];
    const placed = expectStatus(await shop.order(wallet, [{ sku, quantity: 2 }], { adjustments }), 201);
    expect(placed.body).toMatchObject({ total: { amount: 2_633, currency: 'EUR' }, adjustments });
    const id = idOf(placed);
    expect((await shop.getOrder(id)).body).toMatchObject({ adjustments });
    const before = await shop.balanceOf(wallet);
    expect(expectStatus(await shop.pay(id), 200).body).toMatchObject({ stage: 'paid', adjustments });
    expect(before).toMatchObject({ posted: 1_000_000 });
    expect(await shop.balanceOf(wallet)).toMatchObject({ posted: 1_000_000 - 2_633 });
    expect(expectStatus(await shop.refund(id, true), 200).body).toMatchObject({
      stage: 'refunded',
      adjustments,
    });
    expect(await shop.balanceOf(wallet)).toMatchObject({ posted: 1_000_000 });
    expect((await list({ limit: '1' })).items).toMatchObject([{ id, adjustments }]);
  });

  test('are for merchants: a buyer would give itself a discount', async () => {
    const lines = [{ sku, quantity: 1 }];
    const key = randomUUID();
    expect(problemOf(await asBuyer.order(wallet, lines, { adjustments: [DISCOUNT] }, { key }))).toEqual({
      status: 403,
      code: 'forbidden',
    });
    // No key was claimed, and what a buyer may say is taken.
    const more = { adjustments: [], total: { amount: 1_000, currency: 'EUR' }, reference: 'mine' };
    expectStatus(await asBuyer.order(wallet, lines, more, { key }), 201);
  });

  test.each([
    ['a discount that adds', [{ ...DISCOUNT, amount: 1 }], 'adjustments.0.amount'],
    ['a tax that takes off', [{ ...TAX, amount: -1 }], 'adjustments.0.amount'],
    ['a discount of nothing', [{ ...DISCOUNT, amount: 0 }], 'adjustments.0.amount'],
    ['shipping of nothing', [{ ...SHIPPING, amount: 0 }], 'adjustments.0.amount'],
    ['an amount that JSON cannot carry', [{ ...TAX, amount: 1e17 }], 'adjustments.0.amount'],
    ['part of a cent', [{ ...TAX, amount: 0.5 }], 'adjustments.0.amount'],
    ['an unknown kind', [{ ...TAX, kind: 'bonus' }], 'adjustments.0.kind'],
    ['an empty label', [{ ...TAX, label: ' ' }], 'adjustments.0.label'],
    ['a label of 201 characters', [{ ...TAX, label: 'x'.repeat(201) }], 'adjustments.0.label'],
    ['51 of them', Array.from({ length: 51 }, () => TAX), 'adjustments'],
  ])('are refused with %s', async (_, adjustments, field) => {
    const answer = await shop.order(wallet, [{ sku, quantity: 1 }], { adjustments });
    expect(problemOf(answer)).toEqual({ status: 400, code: 'validation_failed' });
    expect(answer.body['errors']).toContainEqual({ field, message: expect.any(String) });
  });
});

describe('what the caller expects to pay', () => {
  test('is compared with the prices and the total, and rejects the order if it is something else', async () => {
    const before = (await reservedUnits()) ?? 0;
    const order = (line: object, more: object) => shop.order(wallet, [{ sku, quantity: 3, ...line }], more);
    const euros = (amount: number) => ({ total: { amount, currency: 'EUR' } });
    expectStatus(await order({ unitPrice: 1_000 }, euros(3_000)), 201);
    expectStatus(await order({}, { ...euros(3_490), adjustments: [SHIPPING] }), 201);

    const changed = await order({ unitPrice: 999 }, euros(2_997));
    expect(problemOf(changed)).toEqual({ status: 409, code: 'price_changed' });
    expect(changed.body['detail']).toContain(`${sku} costs 1000 and not 999`);
    const other = await order({}, euros(3_001));
    expect(problemOf(other)).toEqual({ status: 422, code: 'total_mismatch' });
    expect(other.body['detail']).toBe('The order totals 3000 EUR in minor units, and not 3001 EUR.');
    expect(problemOf(await order({}, { total: { amount: 3_000, currency: 'USD' } }))).toEqual({
      status: 422,
      code: 'total_mismatch',
    });
    // Each rejection is recorded, with what was asked for and the price of today.
    expect((await shop.getOrder(String(changed.body['orderId']))).body).toMatchObject({
      stage: 'rejected',
      reason: 'price_changed',
      lines: [{ sku, quantity: 3, unitPrice: 1_000 }],
    });
    expect(await reservedUnits()).toBe(before + 6);
  });

  test('has one price for each SKU, on whichever of its lines', async () => {
    const lines = [
      { sku, quantity: 1, unitPrice: 1_000 },
      { sku, quantity: 1 },
    ];
    expectStatus(await shop.order(wallet, lines), 201);
    expect(await shop.order(wallet, [...lines, { sku, quantity: 1, unitPrice: 999 }])).toMatchObject({
      status: 422,
      body: { code: 'incompatible_parameters', errors: [{ field: 'lines.2.unitPrice' }] },
    });
  });

  test('is refused where the order, or one of its lines, comes to too little or too much', async () => {
    const cheap = await shop.sku(10, { amount: 1, currency: 'EUR' });
    const order = (adjustments: object[]) =>
      shop.order(
        wallet,
        [
          { sku, quantity: 1 },
          { sku: cheap, quantity: 1 },
        ],
        { adjustments },
      );
    const off = (amount: number, of?: string) => ({
      kind: 'discount',
      label: 'Off',
      amount,
      ...(of !== undefined && { sku: of }),
    });
    expect(problemOf(await order([off(-1_001)]))).toEqual({ status: 422, code: 'total_not_positive' });
    const line = await order([off(-2, cheap)]);
    expect(problemOf(line)).toEqual({ status: 422, code: 'total_not_positive' });
    expect(line.body['detail']).toBe(`Discounts of more than the line: ${cheap} comes to -1.`);
    const most = { kind: 'fee', label: 'Most', amount: EXACT_LIMIT };
    const above = await order([most]);
    expect(problemOf(above)).toEqual({ status: 422, code: 'total_limit_exceeded' });
    expect(above.body['detail']).toContain('totals 9007199254741992 EUR');
    expect(expectStatus(await order([off(-1, cheap), off(-999)]), 201).body).toMatchObject({
      total: { amount: 1 },
    });
    // 50 times the highest amount are far above what a number holds: the difference is exact all the same.
    const many = Array.from({ length: 48 }, () => most);
    const few = Array.from({ length: 48 }, () => ({ ...most, kind: 'discount', amount: -EXACT_LIMIT }));
    expect(expectStatus(await order([...many.slice(0, 24), ...few.slice(0, 24)]), 201).body).toMatchObject({
      total: { amount: 1_001 },
    });
    const huge = await order(many);
    expect(huge.body['detail']).toContain(`totals ${48n * BigInt(EXACT_LIMIT) + 1_001n} EUR`);
    expect((await shop.getOrder(String(huge.body['orderId']))).body).toMatchObject({
      stage: 'rejected',
      total: null,
    });
  });
});

/** In no order: PostgreSQL keeps its own. */
const fieldsOf = (metadata: Record<string, string> = {}): Set<string> =>
  new Set(Object.entries(metadata).map((field) => field.join(' = ')));

describe('a reference and metadata', () => {
  test('are kept and shown, and Temporal never gets them', async () => {
    const reference = `PO ${randomUUID()}`;
    // A literal cannot say it: `__proto__` would be its prototype.
    const sent: Record<string, string> = JSON.parse(
      `{"channel": "app", "empty": "", "__proto__": "kept", "constructor": "kept", "Stra\u00dfe": "line\\nend \\"quoted\\""}`,
    );
    const placed = expectStatus(
      await shop.order(wallet, [{ sku, quantity: 1 }], { reference: `  ${reference} `, metadata: sent }),
      201,
    );
    expect(placed.body).toMatchObject({ reference });
    expect(fieldsOf(placed.body.metadata)).toEqual(fieldsOf(sent));
    const id = idOf(placed);
    const { body } = await shop.getOrder(id);
    expect(body).toMatchObject({ reference });
    expect(fieldsOf(body.metadata)).toEqual(fieldsOf(sent));
    const history = await readHistory(client, orderWorkflowId(id));
    expect(history).toContain(sku);
    expect(history).not.toContain(reference);
    expect(history).not.toContain('quoted');
  });

  test('find orders: newest first, page by page, of one stage or buyer, and of nobody else', async () => {
    const reference = `web ${randomUUID()}`;
    const order = () => shop.order(wallet, [{ sku, quantity: 1 }], { reference });
    const ids = [idOf(await order()), idOf(await order()), idOf(await order())].toReversed();
    await shop.order(wallet, [{ sku, quantity: 1 }], { reference: `${reference}x` });
    const [newest, middle, oldest] = ids;
    await shop.pay(middle ?? '');
    const found = async (query: Record<string, string> = {}, by = shop) => {
      const { items, nextCursor } = await list({ reference, ...query }, by);
      return [items.map(({ id }) => id), nextCursor];
    };
    expect(await found()).toEqual([ids, null]);
    const { nextCursor } = await list({ reference, limit: '2' });
    expect(await found({ limit: '2' })).toEqual([[newest, middle], nextCursor]);
    expect(await found({ limit: '2', cursor: nextCursor ?? '' })).toEqual([[oldest], null]);
    expect(await found({ stage: 'paid' })).toEqual([[middle], null]);
    expect(await found({ buyerId: 'buyer' })).toEqual([ids, null]);
    expect(await found({ buyerId: 'nobody' })).toEqual([[], null]);
    expect(await found({}, asBuyer)).toEqual([ids, null]);
    expect(await found({}, asOperator)).toEqual([ids, null]);
    await sql`insert into shop (id, name) values ('elsewhere', 'Elsewhere')`;
    for (const key of [
      await issuer.sign({ sub: 'somebody' }),
      await plantKey(sql, { roles: ['merchant'], shop: 'elsewhere' }),
    ])
      expect(await found({}, new Shop(send, { key }))).toEqual([[], null]);
  });

  test('stay as they were first sent: another reference under the same key is another request', async () => {
    const key = randomUUID();
    const order = (more: object) => shop.order(wallet, [{ sku, quantity: 1 }], more, { key });
    const first = expectStatus(await order({ reference: 'first', metadata: { a: '1', b: '2' } }), 201);
    expect((await order({ metadata: { b: '2', a: '1' }, reference: 'first' })).body).toEqual(first.body);
    expect(problemOf(await order({ reference: 'second', metadata: { a: '1', b: '2' } }))).toEqual({
      status: 422,
      code: 'idempotency_key_reused',
    });
  });

  test.each([
    ['an empty reference', { reference: ' ' }, 'reference'],
    ['a reference of 201 characters', { reference: 'x'.repeat(201) }, 'reference'],
    ['a reference of two lines', { reference: 'a\nb' }, 'reference'],
    ['metadata that is a list', { metadata: ['a'] }, 'metadata'],
    ['metadata that is nothing', { metadata: null }, 'metadata'],
    ['a number', { metadata: { a: 1 } }, 'metadata.a'],
    ['an object in it', { metadata: { a: { b: 'c' } } }, 'metadata.a'],
    ['a list in it', { metadata: { a: ['b'] } }, 'metadata.a'],
    ['a value of 501 characters', { metadata: { a: 'x'.repeat(501) } }, 'metadata.a'],
    ['a key of 41 characters', { metadata: { ['k'.repeat(41)]: '' } }, `metadata.${'k'.repeat(41)}`],
    ['an empty key', { metadata: { '': 'x' } }, 'metadata.'],
    ['a character that PostgreSQL cannot keep', { metadata: { a: '\u0000' } }, 'metadata.a'],
    ['half a character', { metadata: { a: '\ud800' } }, 'metadata.a'],
    [
      '21 fields',
      { metadata: Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`k${at}`, ''])) },
      'metadata',
    ],
  ])('are refused with %s', async (_, more, field) => {
    const answer = await shop.order(wallet, [{ sku, quantity: 1 }], more);
    expect(problemOf(answer)).toEqual({ status: 400, code: 'validation_failed' });
    expect(answer.body['errors']).toContainEqual({ field, message: expect.any(String) });
  });

  test('are kept at their longest: 20 fields of 40 and 500 characters that are escaped, and a reference of 200', async () => {
    const long = '\u{1f381}'.repeat(19);
    const fields = Array.from({ length: 20 }, (_, at) => [
      `${String(at).padStart(2, '0')}${'"'.repeat(38)}`,
      '\t'.repeat(500),
    ]);
    const more = { metadata: Object.fromEntries(fields), reference: `${long}${'x'.repeat(181)}` };
    expect(expectStatus(await shop.order(wallet, [{ sku, quantity: 1 }], more), 201).body).toMatchObject(
      more,
    );
  });
});

test('the currencies are those that wallets take, with their minor units, for anybody with credentials', async () => {
  interface Currencies {
    items: { code: string; minorUnits: number }[];
  }
  const { body, headers } = expectStatus(await asBuyer.get<Currencies>('/v1/currencies'), 200);
  const units = new Map(body.items.map(({ code, minorUnits }) => [code, minorUnits]));
  expect(units.size).toBeGreaterThan(150);
  expect(['EUR', 'JPY', 'IQD', 'CLF', 'HRK'].map((code) => units.get(code))).toEqual([2, 0, 3, 4, undefined]);
  const known = { headers: { 'if-none-match': headers.get('etag') ?? '' } };
  expect((await asBuyer.get('/v1/currencies', known)).status).toBe(304);
});
