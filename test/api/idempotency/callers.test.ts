/** A key is its caller's: another caller's same key is another request, and nobody hears another's answer. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { findKeyStates, keepTickets } from '../../../db/admission.ts';
import type { Answer } from '../../support/answer.ts';
import { expectRulesHold } from '../../support/database.ts';
import { forgetAnswer } from '../../support/idempotency-keys.ts';
import { plantIdempotencyKey } from '../../support/planted.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { startSecondApi } from '../../support/second-api.ts';
import { Shop, expectStatus, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';

const system = await startSystem();
const { sql, send, database } = system;
await sql`insert into shop (id, name) values ('tea', 'Tea')`;
const merchant = async (shop: string) =>
  new Shop(send, { key: await plantKey(sql, { roles: ['merchant'], shop }) });
const [one, other, elsewhere] = [await merchant('main'), await merchant('main'), await merchant('tea')];
const second = startSecondApi(system);

afterEach(() => expectRulesHold(sql));

/** A SKU and a wallet of the main shop, and a request for one unit. */
async function request({ units = 10, funds = 5_000 } = {}) {
  const [sku, wallet, key] = [await one.sku(units), await one.wallet(funds), randomUUID()];
  return { sku, wallet, key, order: (by: Shop) => by.order(wallet, [{ sku, quantity: 1 }], {}, { key }) };
}

const ordersOf = (wallet: string) => sql<{ id: string }[]>`select id from orders where wallet_id = ${wallet}`;

/** As 0.5 left a key, which knew no callers. */
const forgetCaller = (key: string) => sql`update idempotency_key set caller = '' where key = ${key}`;

const isReplayed = ({ headers }: Answer) => headers.get('idempotency-replayed') === 'true';

describe('the same key and request from two callers', () => {
  test('is two orders of one shop, and each caller gets its own again', async () => {
    const { sku, wallet, order } = await request();
    const [first, another] = [expectStatus(await order(one), 201), expectStatus(await order(other), 201)];
    expect(idOf(first)).not.toBe(idOf(another));
    expect((await order(one)).body).toEqual(first.body);
    expect((await order(other)).body).toEqual(another.body);
    expect(await ordersOf(wallet)).toHaveLength(2);
    expect(await one.stockOf(sku)).toMatchObject({ reserved: 2 });
  });

  test('is two deposits', async () => {
    const { wallet, key } = await request({ funds: 0 });
    const deposit = (by: Shop) => by.post(`/v1/wallets/${wallet}/deposits`, { amount: 5 }, { key });
    for (const by of [one, other, one, other]) expectStatus(await deposit(by), 201);
    expect(await one.balanceOf(wallet)).toEqual({ posted: 10, held: 0 });
  });

  test('at once is two orders', async () => {
    const { wallet, order } = await request();
    const answers = await Promise.all([order(one), order(other)]);
    expect(new Set(answers.map((answer) => idOf(expectStatus(answer, 201)))).size).toBe(2);
    expect(await ordersOf(wallet)).toHaveLength(2);
  });

  test('of two shops shows neither what the other asked for', async () => {
    const { key } = await request();
    const wallet = (by: Shop, ownerId: string) =>
      by.post('/v1/wallets', { ownerId, currency: 'EUR' }, { key });
    const first = expectStatus(await wallet(one, 'ours'), 201);
    const theirs = expectStatus(await wallet(elsewhere, 'theirs'), 201);
    expect(idOf(first)).not.toBe(idOf(theirs));
    expect(isReplayed(theirs)).toBe(false);
  });
});

test('a key of the installation that is used in two shops is refused in the second', async () => {
  const whole = await plantKey(sql, { roles: ['merchant'] });
  const [here, there] = [new Shop(send, { key: whole }), new Shop(send, { key: whole, shop: 'tea' })];
  const key = randomUUID();
  const wallet = (by: Shop) => by.post('/v1/wallets', { ownerId: 'b', currency: 'EUR' }, { key });
  const first = expectStatus(await wallet(here), 201);
  expect(await wallet(there)).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  expect((await wallet(here)).body).toEqual(first.body);
});

describe('a key from before 0.6, when keys had no caller,', () => {
  test('gives its answer to any caller of the main shop who retries, and no second order is placed', async () => {
    const { sku, wallet, key, order } = await request();
    const first = expectStatus(await order(one), 201);
    await forgetCaller(key);
    const retries = await Promise.all(
      Array.from({ length: 20 }, (_, index) => order(index % 2 === 0 ? one : other)),
    );
    for (const retry of [...retries, await order(system.shop)]) {
      expect(retry).toMatchObject({ status: 201, body: first.body });
      expect(isReplayed(retry)).toBe(true);
      expect(retry.headers.get('location')).toBe(`/v1/orders/${idOf(first)}`);
    }
    expect(await ordersOf(wallet)).toHaveLength(1);
    expect(await one.stockOf(sku)).toMatchObject({ reserved: 1 });
    expect(await sql`select from idempotency_key where key = ${key}`).toHaveLength(1);
  });

  test('whose answer was lost is carried on by one retry, as the same order', async () => {
    const { wallet, key, order } = await request();
    const first = expectStatus(await order(one), 201);
    await forgetCaller(key);
    await forgetAnswer(sql, key);
    const answers = await Promise.all([order(one), order(other), order(one), order(other)]);
    const placed = answers.filter(({ status }) => status === 201);
    expect(placed.map(idOf)).toContain(idOf(first));
    expect(new Set(placed.map(idOf)).size).toBe(1);
    expect((await order(other)).body).toEqual((await order(one)).body);
    expect(await ordersOf(wallet)).toHaveLength(1);
  });

  test('of a payment takes no money a second time, however many callers retry it', async () => {
    const { wallet, order } = await request();
    const id = idOf(expectStatus(await order(one), 201));
    const key = randomUUID();
    const paid = expectStatus(await one.pay(id, { key }), 200);
    await forgetCaller(key);
    expect(await other.pay(id, { key })).toMatchObject({ status: 200, body: paid.body });
    await forgetAnswer(sql, key);
    expect(await other.pay(id, { key })).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await one.balanceOf(wallet)).toEqual({ posted: 4_500, held: 0 });
  });

  test('is a new one in another shop', async () => {
    const key = randomUUID();
    const wallet = (by: Shop) => by.post('/v1/wallets', { ownerId: 'b', currency: 'EUR' }, { key });
    const first = expectStatus(await wallet(one), 201);
    await forgetCaller(key);
    const theirs = expectStatus(await wallet(elsewhere), 201);
    expect(idOf(theirs)).not.toBe(idOf(first));
  });
});

describe('100 requests at once with one key, through two API processes,', () => {
  /** Sends them all, and returns those that were not asked to come back. */
  async function send100(call: (by: Shop) => Promise<Answer>): Promise<Answer[]> {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => call(index % 2 === 0 ? system.shop : second)),
    );
    const isLater = ({ body }: Answer) =>
      ['idempotency_in_progress', 'overloaded', 'order_busy'].includes(String(body['code']));
    return answers.filter((answer) => !isLater(answer));
  }

  test('place one order, and all that are answered hear of it', async () => {
    const { sku, wallet, order } = await request();
    const answered = await send100(order);
    expect(answered.length).toBeGreaterThan(0);
    const [placed] = await ordersOf(wallet);
    expect(new Set(answered.map((answer) => idOf(expectStatus(answer, 201))))).toEqual(new Set([placed?.id]));
    expect(answered.filter((answer) => !isReplayed(answer))).toHaveLength(1);
    expect(await ordersOf(wallet)).toHaveLength(1);
    expect(await one.stockOf(sku)).toMatchObject({ reserved: 1 });
  });

  test('pay once', async () => {
    const { wallet, order } = await request();
    const id = idOf(expectStatus(await order(system.shop), 201));
    const key = randomUUID();
    const answered = await send100((by) => by.pay(id, { key }));
    expect(answered.length).toBeGreaterThan(0);
    for (const answer of answered) expect(answer).toMatchObject({ status: 200, body: { id, stage: 'paid' } });
    expect(await sql`select from transfer where order_id = ${id}`).toHaveLength(1);
    expect(await one.balanceOf(wallet)).toEqual({ posted: 4_500, held: 0 });
  });
});

describe('a request whose key was removed after its time', () => {
  const remove = (key: string) => sql`delete from idempotency_key where key = ${key}`;

  test('to place an order is a new order', async () => {
    const { wallet, key, order } = await request();
    const first = expectStatus(await order(one), 201);
    await remove(key);
    const again = expectStatus(await order(one), 201);
    expect(idOf(again)).not.toBe(idOf(first));
    expect(isReplayed(again)).toBe(false);
    expect(await ordersOf(wallet)).toHaveLength(2);
  });

  test('to pay, cancel or refund is decided by the record of the order, and moves no money again', async () => {
    const { wallet, order } = await request();
    const id = idOf(expectStatus(await order(one), 201));
    const [payKey, refundKey, cancelKey] = [randomUUID(), randomUUID(), randomUUID()];
    const pay = () => one.pay(id, { key: payKey });
    const refund = () => one.refund(id, false, { key: refundKey });
    expectStatus(await pay(), 200);
    await remove(payKey);
    expect(await pay()).toMatchObject({ status: 409, body: { code: 'order_not_payable' } });
    expectStatus(await refund(), 200);
    await remove(refundKey);
    expect(await refund()).toMatchObject({ status: 409, body: { code: 'order_not_refundable' } });
    expect(await one.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });

    const { sku, order: place } = await request();
    const open = idOf(expectStatus(await place(one), 201));
    const cancel = () => one.cancel(open, 'changed my mind', { key: cancelKey });
    expectStatus(await cancel(), 200);
    await remove(cancelKey);
    expect(await cancel()).toMatchObject({ status: 409, body: { code: 'order_cancelled' } });
    expect(await one.stockOf(sku)).toMatchObject({ onHand: 10, reserved: 0 });
  });
});

describe('the ticket of a caller that was refused for load', () => {
  const callOf = (caller: string, key: string) => ({ caller, shop: 'main', key });
  const statesOf = (...calls: ReturnType<typeof callOf>[]) => findKeyStates(database, 'createOrder', calls);

  test('is not another caller\u2019s with the same key', async () => {
    const key = randomUUID();
    const [mine, theirs] = [callOf('key:one', key), callOf('key:two', key)];
    const pace = { process: randomUUID(), perSecond: 1 };
    await keepTickets(database, [{ ...mine, seconds: 30 }], pace);
    const [waits, comesNew] = await statesOf(mine, theirs);
    expect(waits?.dueInMs).toBeGreaterThan(20_000);
    expect(comesNew).toEqual({ begun: false, dueInMs: null });
    await keepTickets(database, [{ ...theirs, seconds: 60 }], pace);
    const [still, also] = await statesOf(mine, theirs);
    expect(still?.dueInMs).toBeLessThanOrEqual(30_000);
    expect(also?.dueInMs).toBeGreaterThan(50_000);
  });

  test('is not needed by a retry of an order that was begun, by this caller or before keys had callers', async () => {
    const [begun, earlier] = [randomUUID(), randomUUID()];
    const ids = [uuidv7(), uuidv7()];
    await plantIdempotencyKey(sql, { caller: 'key:one', key: begun, status: null, commandId: ids[0] ?? '' });
    await plantIdempotencyKey(sql, { caller: '', key: earlier, status: null, commandId: ids[1] ?? '' });
    const states = await statesOf(
      callOf('key:one', begun),
      callOf('key:two', begun),
      callOf('key:two', earlier),
      { ...callOf('key:two', earlier), shop: 'tea' },
    );
    expect(states.map((state) => state.begun)).toEqual([true, false, true, false]);
    await sql`delete from idempotency_key where key in (${begun}, ${earlier})`;
  });
});
