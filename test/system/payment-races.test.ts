/**
 * Payments of one order race with each other and with everything that ends it. Whatever wins: nobody pays more than the order costs, no
 * order is paid without its money, and no money is kept without its order.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Source } from '../../dev/provider/behaviour.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import type { Answer } from '../support/answer.ts';
import { expectRulesHold } from '../support/database.ts';
import { expectNoMoneyLost, keptOf } from '../support/payments.ts';
import { startPayingSystem } from '../support/paying-system.ts';
import { fillWallet } from '../support/obstacles.ts';
import { expectStatus, idOf, type Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

const WINDOW = 15 * 60_000;
const EXTENSION = 5 * 60_000;
const system = await startPayingSystem({ paymentWindow: WINDOW });
const { shop, otherApi, sql, clock, provider } = system;

afterEach(async () => {
  await expectNoMoneyLost(sql, provider.settings);
  await expectRulesHold(sql);
}, 90_000);

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const WHOLE = { onHand: 10, reserved: 0, available: 10 };
const SOLD = { onHand: 8, reserved: 0, available: 8 };

interface Placed {
  id: string;
  sku: string;
  wallet: string;
}

/** An order of 2 units at 500 out of 10. */
async function placed({ funds = 5_000 } = {}): Promise<Placed> {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

interface Part {
  method: 'wallet' | 'provider';
  amount?: number;
  source?: Source;
}

const pay = (id: string, part: Part, key: string = randomUUID(), to: Shop = shop): Promise<Answer> =>
  to.post(`/v1/orders/${id}/payments`, part, { key });
const byWallet = (amount?: number): Part => ({ method: 'wallet', ...(amount !== undefined && { amount }) });
const byProvider = (amount?: number, source: Source = 'ok'): Part => ({
  method: 'provider',
  source,
  ...(amount !== undefined && { amount }),
});

/** Sends the same key until there is a final answer, as callers do. */
const finalAnswer = (send: (key: string) => Promise<Answer>, key: string = randomUUID()): Promise<Answer> =>
  until(
    'a final answer',
    async () => {
      const answer = await send(key);
      return answer.headers.get('retry-after') === null ? answer : undefined;
    },
    60_000,
  );

const stageIs = (id: string, ...stages: string[]) =>
  until(
    `order ${id} to be ${stages.join(' or ')}`,
    async () => stages.includes(String(await shop.stageOf(id))),
    60_000,
  );

const keptByProvider = (id: string): Promise<number> => keptOf(provider.settings, id);

describe('at once, with keys of their own, callers at two APIs', () => {
  test('who pay parts of one order by wallet and by provider pay it once, and each hears of its own payment', async () => {
    const { id, sku, wallet } = await placed();
    const calls = times(18, (index) => ({
      key: randomUUID(),
      part: index % 2 === 0 ? byWallet(100) : byProvider(100),
      to: index % 4 < 2 ? shop : otherApi,
    }));
    const answers = await Promise.all(
      calls.map(({ key, part, to }) => finalAnswer(() => pay(id, part, key, to), key)),
    );
    const made = answers.filter(({ status }) => status === 201);
    expect(made).toHaveLength(10);
    for (const { status, body } of answers.filter(({ status: heard }) => heard !== 201)) {
      expect(status).toBe(409);
      expect(body['code']).toBeOneOf(['payment_exceeds_total', 'order_not_payable']);
    }
    await stageIs(id, 'paid');
    const fromWallet = made.filter(({ body }) => body['method'] === 'wallet').length * 100;
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000 - fromWallet, held: 0 });
    await until('the provider to be settled', async () => (await keptByProvider(id)) === 1_000 - fromWallet);
    expect(await shop.stockOf(sku)).toEqual(SOLD);
    // Each key keeps its answer.
    const again = await Promise.all(calls.map(({ key, part, to }) => pay(id, part, key, to)));
    expect(again.map(({ status, body }) => [status, body['id']])).toEqual(
      answers.map(({ status, body }) => [status, body['id']]),
    );
  });

  test('who pay all of it by wallet, by provider and by the order itself pay it once', async () => {
    for (const count of times(3, (index) => index)) {
      const { id, wallet } = await placed();
      const answers = await Promise.all([
        finalAnswer((key) => pay(id, byProvider(), key)),
        finalAnswer((key) => pay(id, byWallet(), key, otherApi)),
        finalAnswer((key) => shop.pay(id, { key })),
        finalAnswer((key) => pay(id, byProvider(undefined, 'open-lost'), key, otherApi)),
      ]);
      expect(
        answers.filter(({ status }) => status < 300),
        `round ${count}: ${JSON.stringify(answers.map(({ body }) => body))}`,
      ).toHaveLength(1);
      await stageIs(id, 'paid');
      const { posted } = expectStatus(await shop.getWallet(wallet), 200).body;
      await until('all of it', async () => 5_000 - posted + (await keptByProvider(id)) === 1_000);
    }
  });

  test('who send one key many times pay once', async () => {
    const { id } = await placed();
    const key = randomUUID();
    const answers = await Promise.all(
      times(20, (index) =>
        finalAnswer(() => pay(id, byProvider(400), key, index % 2 === 0 ? shop : otherApi), key),
      ),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${String(body['id'])}`)).size).toBe(1);
    expect(await sql`select from payment where order_id = ${id}`).toHaveLength(1);
    expectStatus(await shop.cancel(id), 200);
  });

  test('whose wallet covers only some of many orders overdraw nothing', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(100), shop.wallet(1_200)]);
    const ids = await Promise.all(times(8, () => shop.placed(wallet, sku)));
    const answers = await Promise.all(ids.map((id) => finalAnswer((key) => pay(id, byWallet(300), key))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(4);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 1_200, held: 1_200 });
    await Promise.all(
      ids.map(async (id) => expectStatus(await finalAnswer((key) => shop.cancel(id, 'no', { key })), 200)),
    );
    await until('nothing to be held', async () => {
      const { held } = expectStatus(await shop.getWallet(wallet), 200).body;
      return held === 0;
    });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 1_200, held: 0 });
  });
});

/** What ends an order while its payments are under way. */
const ENDS: readonly [string, (order: Placed) => Promise<unknown>][] = [
  ['a cancel', ({ id }) => finalAnswer((key) => shop.cancel(id, 'changed my mind', { key }))],
  // An order that is over by then has no clock to move.
  ['its deadline', ({ id }) => clock.forward(orderWorkflowId(id), WINDOW).catch(() => {})],
];

/** Those whose answers come when something else may have happened. */
const LATE_SOURCES: readonly Source[] = [
  'pending',
  'open-silence',
  'open-lost',
  'capture-lost',
  'capture-refused',
  'void-lost',
  'void-captured',
  'refund-lost',
  'refund-refused',
  'wrong-amount',
];

describe.each(ENDS)('an order that meets %s', (_, end) => {
  test('while parts of it are paid is paid as a whole, or over with all given back', async () => {
    const orders = await Promise.all(
      LATE_SOURCES.map(async (source, index) => {
        const order = await placed();
        const paying = Promise.all([
          finalAnswer((key) => pay(order.id, byWallet(300), key)),
          finalAnswer((key) => pay(order.id, byProvider(700, source), key, otherApi)),
        ]);
        await delay(index * 25);
        const [answers] = await Promise.all([paying, end(order)]);
        return { ...order, about: `${source}: ${answers.map(({ status }) => status).join(', ')}` };
      }),
    );
    // What was left open is ended now.
    await Promise.all(orders.map(({ id }) => finalAnswer((key) => shop.cancel(id, 'the end', { key }))));
    await expectNoMoneyLost(sql, provider.settings);
    for (const { id, wallet, sku, about } of orders) {
      const stage = String(await shop.stageOf(id));
      const { posted, held } = expectStatus(await shop.getWallet(wallet), 200).body;
      // What a provider refuses to take back is in the wallet.
      expect([about, stage, 5_000 - posted + (await keptByProvider(id)), held]).toEqual(
        stage === 'paid'
          ? [about, stage, 1_000, 0]
          : [about, expect.stringMatching(/cancelled|expired|refunded/), 0, 0],
      );
      expect([about, await shop.stockOf(sku)]).toEqual([about, stage === 'paid' ? SOLD : WHOLE]);
    }
  }, 120_000);
});

describe('a void', () => {
  test('at once with the payment that completes the order has one winner', async () => {
    for (const round of times(6, (index) => index)) {
      const { id, wallet } = await placed();
      const first = expectStatus(await pay(id, round % 2 === 0 ? byProvider(600) : byWallet(600)), 201);
      const [voided, last] = await Promise.all([
        finalAnswer((key) => shop.post(`/v1/payments/${idOf(first)}/void`, {}, { key })),
        finalAnswer((key) => pay(id, byProvider(400), key, otherApi)),
      ]);
      expectStatus(last, 201);
      const about = `round ${round}: ${voided.status} ${JSON.stringify(voided.body)}`;
      expect(voided.status, about).toBeOneOf([200, 409]);
      if (voided.status === 409) {
        expect(voided.body['code'], about).toBe('payment_not_voidable');
        await stageIs(id, 'paid');
      } else {
        await expectNoMoneyLost(sql, provider.settings);
        expect(await shop.stageOf(id), about).toBe('awaiting_payment');
        expect((await shop.getOrder(id)).body).toMatchObject({ secured: 400 });
        // What was voided can be paid anew.
        expectStatus(await finalAnswer((key) => pay(id, byWallet(), key)), 201);
        await stageIs(id, 'paid');
        expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_400, held: 0 });
      }
    }
  }, 120_000);

  test('of one payment by many callers makes room for it once', async () => {
    const { id } = await placed();
    const first = expectStatus(await pay(id, byProvider(600, 'void-lost')), 201);
    await Promise.all(
      times(12, (index) =>
        finalAnswer((key) =>
          (index % 2 === 0 ? shop : otherApi).post(`/v1/payments/${idOf(first)}/void`, {}, { key }),
        ),
      ),
    );
    expect((await shop.getOrder(id)).body).toMatchObject({ secured: 0 });
    expectStatus(await finalAnswer((key) => pay(id, byProvider(1_000), key)), 201);
    await stageIs(id, 'paid');
  });
});

describe('the deadline of an order', () => {
  const deadlineOf = async (id: string): Promise<number> =>
    Date.parse(expectStatus(await shop.getOrder(id), 200).body.paymentDeadline);

  test('is put off once while a provider decides, by as much as is set, and the order is paid within', async () => {
    const { id } = await placed();
    const before = await deadlineOf(id);
    expectStatus(await pay(id, byProvider(1_000, 'pending')), 201);
    await clock.forward(orderWorkflowId(id), WINDOW);
    await stageIs(id, 'paid');
    const { deadlineExtended } = expectStatus(await shop.getOrder(id), 200).body;
    if (deadlineExtended) expect(await deadlineOf(id)).toBe(before + EXTENSION);
  });

  test('ends an order whose payment is still pending when it was put off, and never is put off again', async () => {
    const { id, sku } = await placed();
    const before = await deadlineOf(id);
    expectStatus(await pay(id, byProvider(500, 'pending-forever')), 201);
    await clock.forward(orderWorkflowId(id), WINDOW);
    await until('the deadline to be put off', async () => (await deadlineOf(id)) > before);
    expect(await deadlineOf(id)).toBe(before + EXTENSION);
    expect((await shop.get(`/v1/orders/${id}/events`)).body['items']).toMatchObject([
      { version: 1, stage: 'awaiting_payment' },
      { version: 2, stage: 'awaiting_payment', from: 'awaiting_payment' },
    ]);
    // A payment in the time that was given counts, and gives no more of it.
    expectStatus(await finalAnswer((key) => pay(id, byProvider(500, 'pending-forever'), key)), 201);
    await clock.forward(orderWorkflowId(id), EXTENSION);
    await stageIs(id, 'expired');
    expect(await finalAnswer((key) => pay(id, byWallet(), key))).toMatchObject({
      status: 409,
      body: { code: 'order_expired' },
    });
    await expectNoMoneyLost(sql, provider.settings);
    expect(await shop.stockOf(sku)).toEqual(WHOLE);
    expect(await sql`select from payment where order_id = ${id} and state = 'voided'`).toHaveLength(2);
  });

  test('is not put off for a payment that is known', async () => {
    const { id } = await placed();
    const before = await deadlineOf(id);
    expectStatus(await pay(id, byProvider(500)), 201);
    expectStatus(await pay(id, byWallet(100)), 201);
    await clock.forward(orderWorkflowId(id), WINDOW);
    await stageIs(id, 'expired');
    expect(await deadlineOf(id)).toBe(before);
    await expectNoMoneyLost(sql, provider.settings);
  });

  test('that passes while all is being captured ends nothing', async () => {
    const { id } = await placed();
    const answer = pay(id, byProvider(1_000, 'capture-lost'));
    await until('it to be captured', async () => {
      const rows =
        await sql`select from payment where order_id = ${id} and state in ('capturing', 'captured')`;
      return rows.length > 0;
    });
    await clock.forward(orderWorkflowId(id), WINDOW + EXTENSION);
    await answer;
    await stageIs(id, 'paid');
    expect(await keptByProvider(id)).toBe(1_000);
  });
});

describe('an order that was paid in parts, by wallet and by provider,', () => {
  const paidInParts = async (first: Source = 'ok', second: Source = 'ok') => {
    const order = await placed();
    expectStatus(await pay(order.id, byWallet(300)), 201);
    expectStatus(await finalAnswer((key) => pay(order.id, byProvider(300, first), key)), 201);
    expectStatus(await finalAnswer((key) => pay(order.id, byProvider(400, second), key)), 201);
    await stageIs(order.id, 'paid');
    return order;
  };

  test('is refunded in part by many callers at once, never more than was paid', async () => {
    const { id, wallet } = await paidInParts('refund-lost');
    const part = { reason: 'scratched', amount: 50 };
    const answers = await Promise.all(
      times(30, (index) =>
        finalAnswer((key) => (index % 2 === 0 ? shop : otherApi).refundOrder(id, part, { key })),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    for (const { status, body } of answers.filter(({ status: heard }) => heard !== 200)) {
      expect(status).toBe(409);
      expect(body['code']).toBeOneOf(['refund_exceeds_payment', 'order_not_refundable']);
    }
    await expectNoMoneyLost(sql, provider.settings);
    expect(await shop.stageOf(id)).toBe('refunded');
    expect(await keptByProvider(id)).toBe(0);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  }, 120_000);

  test('gives to the wallet what its provider refuses to take back', async () => {
    const { id, wallet } = await paidInParts('refund-refused');
    expectStatus(await finalAnswer((key) => shop.refund(id, true, { key })), 200);
    await expectNoMoneyLost(sql, provider.settings);
    expect(await keptByProvider(id)).toBe(300);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_300, held: 0 });
  });

  test('gives back to the provider at once, and to a full wallet when there is room', async () => {
    const { id, wallet } = await paidInParts();
    await fillWallet(sql, wallet);
    const refunding = await shop.refund(id, false);
    expect(refunding.status, JSON.stringify(refunding.body)).toBeOneOf([200, 409]);
    await until('the provider to have given all back', async () => (await keptByProvider(id)) === 0, 60_000);
    expect(
      await sql`
      select sum(amount)::integer as owed from refund_payment where order_id = ${id} and state = 'owed'
    `,
    ).toEqual([{ owed: 300 }]);
    const room = await shop.placed(wallet, await shop.sku(1, { amount: 300, currency: 'EUR' }));
    expectStatus(await shop.pay(room), 200);
    await expectNoMoneyLost(sql, provider.settings);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: Number.MAX_SAFE_INTEGER, held: 0 });
  }, 120_000);
});
