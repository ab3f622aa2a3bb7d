/** Units on hand change by what was received or counted, never by what somebody read before a sale. */
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { isInState, skuState } from '../../../db/sku-state.ts';
import { findSku, putSku } from '../../../db/skus.ts';
import { countSku } from '../../../db/stock-movements.ts';
import { ON_HAND_LIMIT } from '../../../domain/limits.ts';
import type { Answer } from '../../support/answer.ts';
import { expectRulesHold } from '../../support/database.ts';
import { serve } from '../../support/http.ts';
import { expectStatus, type PostOptions } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const system = await startSystem();
const { shop, sql, database } = system;
// Over the wire, whose server replaces the answers' class with one of its own.
const wire = await serve(system);

afterEach(() => expectRulesHold(sql));

const price = { amount: 500, currency: 'EUR' };
const terms = { name: 'Test', price };

const newName = () => `SKU-${randomUUID().slice(0, 8)}`;
const put = (sku: string, body: object, headers: Record<string, string> = {}) =>
  shop.put(`/v1/skus/${sku}`, body, { headers });
const count = (sku: string, onHand: number, expectedOnHand: number, options: PostOptions = {}) =>
  shop.post(`/v1/skus/${sku}/counts`, { onHand, expectedOnHand }, options);

async function readTag(sku: string): Promise<string> {
  return tagIn(expectStatus(await shop.get(`/v1/skus/${sku}`), 200));
}

function tagIn({ headers }: Answer): string {
  const tag = headers.get('etag') ?? 'none';
  expect(tag).toMatch(/^"[\x21\x23-\x7e]+"$/);
  return tag;
}

function expectProblem(answer: Answer, status: number, code: string, more = {}): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status, body: { code, ...more } });
}

const sortedStatuses = (answers: readonly Answer[]): number[] =>
  answers.map(({ status }) => status).toSorted((one, other) => one - other);

async function listMovements(sku: string): Promise<{ kind: string; quantity: number }[]> {
  return [
    ...(await sql<{ kind: string; quantity: number }[]>`
      select kind, quantity from stock_movement where sku = ${sku} order by recorded_at, id
    `),
  ];
}

/** Sells units: places an order and pays it. */
async function sell(sku: string, quantity: number): Promise<void> {
  const wallet = await shop.wallet(1_000_000);
  expectStatus(await shop.pay(await shop.placed(wallet, sku, quantity)), 200);
}

describe('PUT of a SKU', () => {
  test('creates it with its first units or none, and later changes its name and price but no units', async () => {
    const [stocked, empty] = [newName(), newName()];
    expect(expectStatus(await put(stocked, { ...terms, onHand: 10 }), 201).body).toMatchObject({
      onHand: 10,
    });
    expect(expectStatus(await put(empty, terms), 201).body).toMatchObject({ onHand: 0 });
    await sell(stocked, 4);
    const renamed = { name: 'Renamed', price: { amount: 700, currency: 'EUR' } };
    expect(expectStatus(await put(stocked, renamed), 200).body).toEqual({
      sku: stocked,
      ...renamed,
      onHand: 6,
      reserved: 0,
      available: 6,
    });
    expect((await shop.get(`/v1/skus/${stocked}`)).body).toMatchObject({ ...renamed, onHand: 6 });
    expect(await listMovements(stocked)).toEqual([{ kind: 'initial', quantity: 10 }]);
  });

  test('with units that were read before a sale is refused, names the call to use, and changes nothing', async () => {
    const sku = await shop.sku(10);
    await sell(sku, 4);
    const answer = await put(sku, { ...terms, name: 'Renamed', onHand: 10 });
    expectProblem(answer, 409, 'on_hand_set_at_creation', {
      detail: expect.stringContaining(`POST /v1/skus/${sku}/counts`),
    });
    expect((await shop.get(`/v1/skus/${sku}`)).body).toMatchObject({ name: 'Test', onHand: 6 });
    expectProblem(await put(sku, { ...terms, onHand: 10 }), 409, 'on_hand_set_at_creation');
    // It is refused even if the units happen to be right.
    expectProblem(await put(sku, { ...terms, name: 'Renamed', onHand: 6 }), 409, 'on_hand_set_at_creation');
    expect(await shop.stockOf(sku)).toEqual({ onHand: 6, reserved: 0, available: 6 });
  });

  test('that created it can be sent again when its answer was lost', async () => {
    const sku = newName();
    expectStatus(await put(sku, { ...terms, onHand: 10 }), 201);
    expectStatus(await put(sku, { ...terms, onHand: 10 }), 200);
    expect(await listMovements(sku)).toEqual([{ kind: 'initial', quantity: 10 }]);
  });

  test('by several callers at once creates one SKU with the units of one of them', async () => {
    const sku = newName();
    const answers = await Promise.all([5, 6, 7, 8, 5].map((onHand) => put(sku, { ...terms, onHand })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => ![200, 201, 409].includes(status))).toEqual([]);
    const made = answers.find(({ status }) => status === 201);
    expect(await listMovements(sku)).toEqual([{ kind: 'initial', quantity: made?.body['onHand'] }]);
  });

  test('while orders reserve, pay and cancel takes no units from them', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(60), shop.wallet(1_000_000)]);
    const buy = async (index: number) => {
      const id = await shop.placed(wallet, sku, 1);
      expectStatus(index % 2 === 0 ? await shop.pay(id) : await shop.cancel(id), 200);
    };
    const rename = async (index: number) =>
      expectStatus(
        await put(sku, { name: `Name ${index}`, price: { amount: 500 + index, currency: 'EUR' } }),
        200,
      );
    await Promise.all(Array.from({ length: 20 }, (_, index) => Promise.all([buy(index), rename(index)])));
    expect(await shop.stockOf(sku)).toEqual({ onHand: 50, reserved: 0, available: 50 });
  });

  test('renames it even if it has the maximum number of units', async () => {
    const sku = await shop.sku(ON_HAND_LIMIT);
    expect(expectStatus(await put(sku, { ...terms, name: 'Renamed' }), 200).body).toMatchObject({
      name: 'Renamed',
      onHand: ON_HAND_LIMIT,
    });
  });
});

describe('the limit of units on hand', () => {
  test('applies to creation, restocks and counts alike', async () => {
    const sku = await shop.sku(ON_HAND_LIMIT - 1);
    const restock = (quantity: number) => shop.post(`/v1/skus/${sku}/restocks`, { quantity });
    expectProblem(await put(newName(), { ...terms, onHand: ON_HAND_LIMIT + 1 }), 400, 'validation_failed');
    expectProblem(await restock(2), 422, 'stock_limit_exceeded');
    expect(expectStatus(await restock(1), 201).body).toMatchObject({ onHand: ON_HAND_LIMIT });
    expectProblem(await restock(1), 422, 'stock_limit_exceeded');
    expectProblem(await restock(ON_HAND_LIMIT + 1), 400, 'validation_failed');
    expectProblem(await count(sku, ON_HAND_LIMIT + 1, ON_HAND_LIMIT), 400, 'validation_failed');
    expectStatus(await count(sku, 0, ON_HAND_LIMIT), 201);
    expectStatus(await count(sku, ON_HAND_LIMIT, 0), 201);
    expectStatus(await count(sku, 0, ON_HAND_LIMIT), 201);
    expectStatus(await restock(ON_HAND_LIMIT), 201);
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: ON_HAND_LIMIT });
  });
});

describe('a stock count', () => {
  test('sets the units if they are as expected, and records the difference as an adjustment', async () => {
    const sku = await shop.sku(10);
    expect(expectStatus(await count(sku, 8, 10), 201).body).toMatchObject({ onHand: 8, reserved: 0 });
    expect(expectStatus(await count(sku, 9, 8), 201).body).toMatchObject({ onHand: 9 });
    expect(expectStatus(await count(sku, 9, 9), 201).body).toMatchObject({ onHand: 9 });
    expect(await listMovements(sku)).toEqual([
      { kind: 'initial', quantity: 10 },
      { kind: 'adjustment', quantity: -2 },
      { kind: 'adjustment', quantity: 1 },
    ]);
  });

  test('that expects the units from before a sale is refused with the current units, and changes nothing', async () => {
    const sku = await shop.sku(10);
    await sell(sku, 4);
    expectProblem(await count(sku, 10, 10), 409, 'on_hand_changed', { onHand: 6 });
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 6 });
    expectStatus(await count(sku, 5, 6), 201);
  });

  test('below the units that open orders hold is refused, and a count of exactly these units is accepted', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(10_000)]);
    const order = await shop.placed(wallet, sku, 3);
    expectProblem(await count(sku, 2, 10), 409, 'on_hand_below_reserved');
    expect(expectStatus(await count(sku, 3, 10), 201).body).toMatchObject({ onHand: 3, available: 0 });
    expectStatus(await shop.pay(order), 200);
    expect(await shop.stockOf(sku)).toEqual({ onHand: 0, reserved: 0, available: 0 });
  });

  test('of an unknown SKU, or without the expected units, is refused', async () => {
    expectProblem(await count('none', 1, 1), 404, 'not_found');
    const sku = await shop.sku(1);
    expectProblem(await shop.post(`/v1/skus/${sku}/counts`, { onHand: 1 }), 400, 'validation_failed');
    expectProblem(await count(sku, -1, 1), 400, 'validation_failed');
    expectProblem(
      await shop.raw(`/v1/skus/${sku}/counts`, jsonPost({ onHand: 1, expectedOnHand: 1 })),
      400,
      'idempotency_key_missing',
    );
  });

  test('repeated with the same key returns the first one, even if its answer was lost and units were sold since', async () => {
    const [sku, key] = [await shop.sku(10), randomUUID()];
    const first = expectStatus(await count(sku, 8, 10, { key }), 201);
    await sql`update idempotency_key set response_status = null, response_body = null, claimed_until = now() where key = ${key}`;
    await sell(sku, 1);
    expect(expectStatus(await count(sku, 8, 10, { key }), 201).body).toMatchObject({ onHand: 7 });
    expectProblem(await count(sku, 9, 10, { key }), 422, 'idempotency_key_reused');
    expect((await count(sku, 8, 10, { key })).headers.get('idempotency-replayed')).toBe('true');
    expect(tagIn(first)).toMatch(/\.0"$/);
    expect(await listMovements(sku)).toHaveLength(2);
  });

  test('of the same units by several callers at once is accepted once', async () => {
    const sku = await shop.sku(10);
    const answers = await Promise.all([7, 8, 9, 11].map((onHand) => count(sku, onHand, 10)));
    const [taken, ...others] = answers.filter(({ status }) => status === 201);
    expect(others).toEqual([]);
    for (const answer of answers.filter((one) => one !== taken))
      expectProblem(answer, 409, 'on_hand_changed');
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: taken?.body['onHand'] });
  });

  test('sent several times at once, while some wait for the lock, makes one movement and gets one answer', async () => {
    const [sku, movementId] = [await shop.sku(10), randomUUID()];
    const request = { movementId, shopId: MAIN_SHOP, sku, onHand: 4, expectedOnHand: 10 };
    const answers = await Promise.all(Array.from({ length: 5 }, () => countSku(database, request)));
    expect(answers).toEqual(
      Array.from({ length: 5 }, () => ({ outcome: 'booked', sku: expect.objectContaining({ onHand: 4 }) })),
    );
    expect(await listMovements(sku)).toHaveLength(2);
  });

  test('while units are sold never restores sold units', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(30), shop.wallet(1_000_000)]);
    const sales = Array.from({ length: 10 }, async () => {
      expectStatus(await shop.pay(await shop.placed(wallet, sku, 1)), 200);
    });
    let difference = 0;
    for (let attempt = 0; attempt < 30; attempt += 1) {
      const { onHand } = (await shop.get(`/v1/skus/${sku}`)).body;
      const counted = Number(onHand) + (attempt % 2 === 0 ? 1 : -1);
      const { status } = await count(sku, counted, Number(onHand));
      if (status === 201) difference += attempt % 2 === 0 ? 1 : -1;
      else expect(status).toBe(409);
    }
    await Promise.all(sales);
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 20 + difference, reserved: 0 });
  });
});

const jsonPost = (body: object): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('the tag of a SKU', () => {
  test('is on the replies to a restock and a count over HTTP, too', async () => {
    const sku = await shop.sku(5);
    const restocked = await wire.shop.post(`/v1/skus/${sku}/restocks`, { quantity: 1 });
    expect(tagIn(restocked)).toBe(await readTag(sku));
    const counted = await wire.shop.post(`/v1/skus/${sku}/counts`, { onHand: 4, expectedOnHand: 6 });
    expect(tagIn(counted)).toBe(await readTag(sku));
  });

  test('is on every reply, identifies its contents, and is the same in a replayed answer', async () => {
    const [sku, key] = [newName(), randomUUID()];
    const created = tagIn(await put(sku, { ...terms, onHand: 5 }));
    expect(await readTag(sku)).toBe(created);
    const restocked = await shop.post(`/v1/skus/${sku}/restocks`, { quantity: 1 }, { key });
    expect(tagIn(restocked)).not.toBe(created);
    expect(await readTag(sku)).toBe(tagIn(restocked));
    const counted = tagIn(await count(sku, 5, 6));
    expect(counted).toBe(created);
    const renamed = tagIn(await put(sku, { ...terms, name: 'Other' }));
    expect(renamed).not.toBe(created);
    const repriced = tagIn(await put(sku, { name: 'Other', price: { amount: 501, currency: 'EUR' } }));
    expect(repriced).not.toBe(renamed);
    const again = await shop.post(`/v1/skus/${sku}/restocks`, { quantity: 1 }, { key });
    expect(tagIn(again)).toBe(tagIn(restocked));
  });

  test('is the same from JavaScript and from SQL, whatever the name', async () => {
    for (const name of ['Test', 'Grün ☕ 茶 👩‍👩‍👧', 'a  b', '"quoted" \\ /', 'e\u0301']) {
      const sku = newName();
      await putSku(database, {
        shopId: MAIN_SHOP,
        sku,
        name,
        price: 1,
        currency: 'EUR',
        onHand: 3,
        isCurrencyCurrent: true,
      });
      const found = await findSku(database, { shopId: MAIN_SHOP, sku });
      if (!found) throw new Error(`${sku} was not created.`);
      const same = await database.run(
        ({ sql: pool }) => pool`select from sku where sku = ${sku} and ${isInState(pool, [skuState(found)])}`,
      );
      expect([name, same.length]).toEqual([name, 1]);
    }
  });

  test('makes the API answer a read with 304 only while nothing has changed, including the reserved units', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(10_000)]);
    const read = (tag: string) => shop.raw(`/v1/skus/${sku}`, { headers: { 'if-none-match': tag } });
    const before = await readTag(sku);
    for (const known of [before, `W/${before}`, `"other", ${before}`, '*']) {
      const answer = expectStatus(await read(known), 304);
      expect(answer.headers.get('etag')).toBe(before);
    }
    expectStatus(await read('"other"'), 200);
    expectStatus(await read('nonsense'), 200);
    await shop.placed(wallet, sku, 1);
    expect(expectStatus(await read(before), 200).body).toMatchObject({ reserved: 1 });
  });
});

describe('If-Match on a SKU', () => {
  test('allows a rename while the name, price and units on hand are as they were read', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(10_000)]);
    const read = await readTag(sku);
    await shop.placed(wallet, sku, 2);
    // Somebody reserved units, which is no reason to refuse a new name.
    const first = expectStatus(await put(sku, { ...terms, name: 'First' }, { 'if-match': read }), 200);
    expectProblem(
      await put(sku, { ...terms, name: 'Second' }, { 'if-match': read }),
      412,
      'precondition_failed',
    );
    expectStatus(await put(sku, { ...terms, name: 'Second' }, { 'if-match': tagIn(first) }), 200);
    expect((await shop.get(`/v1/skus/${sku}`)).body).toMatchObject({ name: 'Second' });
  });

  test('allows only one of several simultaneous changes with the same tag', async () => {
    const sku = await shop.sku(10);
    const headers = { 'if-match': await readTag(sku) };
    const answers = await Promise.all(
      ['A', 'B', 'C', 'D'].map((name) => put(sku, { ...terms, name }, headers)),
    );
    expect(sortedStatuses(answers)).toEqual([200, 412, 412, 412]);
  });

  test('compares strongly, accepts lists and *, and refuses anything that is not a tag', async () => {
    const sku = await shop.sku(10);
    const read = await readTag(sku);
    const rename = (match: string) => put(sku, terms, { 'if-match': match });
    for (const good of [read, `"a", ${read}`, `, ${read} ,"b"`, '*', ' * '])
      expectStatus(await rename(good), 200);
    for (const other of [`W/${read}`, '"a"', '"a", "b"', '""'])
      expectProblem(await rename(other), 412, 'precondition_failed');
    for (const bad of ['', 'a', 'x', `${read}${read}`, `${read}, *`, `"${'a'.repeat(10)}`])
      expectProblem(await rename(bad), 400, 'validation_failed');
  });

  test('creates no SKU, neither with a tag nor with *', async () => {
    const sku = newName();
    for (const match of ['*', '"a"'])
      expectProblem(
        await put(sku, { ...terms, onHand: 1 }, { 'if-match': match }),
        412,
        'precondition_failed',
      );
    expectProblem(await shop.get(`/v1/skus/${sku}`), 404, 'not_found');
  });

  test('also applies to a restock', async () => {
    const [sku, key] = [await shop.sku(10), randomUUID()];
    const headers = { 'if-match': await readTag(sku) };
    const restock = (options: PostOptions) => shop.post(`/v1/skus/${sku}/restocks`, { quantity: 5 }, options);
    expectStatus(await restock({ headers, key }), 201);
    // A retry gets the first answer, whether or not its tag still matches.
    expectStatus(await restock({ headers, key }), 201);
    expectProblem(await restock({ headers }), 412, 'precondition_failed');
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 15 });
  });

  test('also applies to a count, in addition to the units that the count expects', async () => {
    const sku = await shop.sku(10);
    const headers = { 'if-match': await readTag(sku) };
    expectStatus(await put(sku, { ...terms, name: 'Renamed' }), 200);
    expectProblem(await count(sku, 9, 10, { headers }), 412, 'precondition_failed');
    expectStatus(await count(sku, 9, 10, { headers: { 'if-match': await readTag(sku) } }), 201);
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 9 });
  });
});

describe('If-None-Match: * on a SKU', () => {
  test('allows creating it and never changing it', async () => {
    const sku = newName();
    const create = (name: string) => put(sku, { name, price, onHand: 3 }, { 'if-none-match': '*' });
    const answers = await Promise.all(['A', 'B', 'C'].map(create));
    expect(sortedStatuses(answers)).toEqual([201, 412, 412]);
    const made = answers.find(({ status }) => status === 201);
    expectProblem(await create('D'), 412, 'precondition_failed');
    expect((await shop.get(`/v1/skus/${sku}`)).body).toMatchObject({ name: made?.body['name'], onHand: 3 });
  });
});

describe('the tags of wallets and orders', () => {
  test('make the API answer a read with 304 until something changes', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(10_000)]);
    const id = await shop.placed(wallet, sku, 1);
    for (const path of [`/v1/wallets/${wallet}`, `/v1/orders/${id}`]) {
      const tag = tagIn(expectStatus(await shop.get(path), 200));
      const again = await shop.raw(path, { headers: { 'if-none-match': tag } });
      expect([again.status, again.body]).toEqual([304, {}]);
    }
    const [walletTag, orderTag] = await Promise.all(
      [`/v1/wallets/${wallet}`, `/v1/orders/${id}`].map(async (path) => tagIn(await shop.get(path))),
    );
    expectStatus(await shop.pay(id), 200);
    const read = (path: string, tag = '') => shop.raw(path, { headers: { 'if-none-match': tag } });
    expect((await read(`/v1/wallets/${wallet}`, walletTag)).body).toMatchObject({ posted: 9_500 });
    expect((await read(`/v1/orders/${id}`, orderTag)).body).toMatchObject({ stage: 'paid' });
  });
});
