/** Orders are paid in parts over the API: each call answers with what is recorded, once for each key, and shows nobody what was paid with. */
import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Answer, PostOptions } from '../../../api/client.ts';
import { paymentSchema, paymentPage } from '../../../api/schemas/payments.ts';
import { PAYMENTS_LIMIT } from '../../../domain/payments.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../../domain/workflow-ids.ts';
import { expectRulesHold } from '../../support/database.ts';
import { readHistory } from '../../support/history.ts';
import { serve } from '../../support/http.ts';
import { startProvider } from '../../support/provider.ts';
import { expectStatus, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { seal } from '../../support/tampering.ts';
import { until } from '../../support/until.ts';

const { settings: provider } = await startProvider();
const system = await startSystem({ payments: { provider } });
const { shop, sql, client, database, clock } = system;
const [sku, wallet] = [await shop.sku(1_000), await shop.wallet(1_000_000)];
afterAll(() => expectRulesHold(sql));

/** Of 1000 in all. */
const placed = (walletId = wallet, more = {}): Promise<string> => shop.placed(walletId, sku, 2, more);
const add = (orderId: string, body: object, options?: PostOptions): Promise<Answer> =>
  shop.post(`/v1/orders/${orderId}/payments`, body, options);
const byWallet = (amount?: number) => ({ method: 'wallet', ...(amount !== undefined && { amount }) });
const byProvider = (source = 'ok', amount?: number) => ({
  method: 'provider',
  source,
  ...(amount !== undefined && { amount }),
});
const added = async (orderId: string, body: object) =>
  paymentSchema.parse(expectStatus(await add(orderId, body), 201).body);
const read = async (id: string) =>
  paymentSchema.parse(expectStatus(await shop.get(`/v1/payments/${id}`), 200).body);
const listed = async (orderId: string) =>
  paymentPage.parse(expectStatus(await shop.get(`/v1/orders/${orderId}/payments`), 200).body).items;
const order = async (id: string) => expectStatus(await shop.getOrder(id), 200).body;
const voided = (id: string, options?: PostOptions): Promise<Answer> =>
  shop.post(`/v1/payments/${id}/void`, undefined, options);
const stateIs = (id: string, state: string) =>
  until(`payment ${id} to be ${state}`, async () => (await read(id)).state === state);
const codeOf = ({ status, body }: Answer) => [status, body.code];
const paymentIdOf = ({ body }: Answer): string => z.object({ paymentId: z.string() }).parse(body).paymentId;
/** Takes no payment. */
const untouched = await placed();
/** As if the process had been killed before it kept its answer. */
const loseAnswer = (key: string) => sql`
  update idempotency_key set response_status = null, response_body = null, claimed_until = now() - interval '1 minute'
  where key = ${key}
`;

describe('an order', () => {
  test('is paid by its wallet and by a provider together, and shows what is secured until then', async () => {
    const id = await placed();
    expect(await order(id)).toMatchObject({ secured: 0, deadlineExtended: false });
    const answer = expectStatus(await add(id, byWallet(300)), 201);
    const first = paymentSchema.parse(answer.body);
    expect(answer.headers.get('location')).toBe(`/v1/payments/${first.id}`);
    expect(first).toMatchObject({
      orderId: id,
      method: 'wallet',
      amount: 300,
      currency: 'EUR',
      state: 'authorised',
      secures: true,
      refunded: 0,
    });
    expect(await order(id)).toMatchObject({ stage: 'awaiting_payment', secured: 300 });
    const second = await added(id, byProvider());
    expect(second).toMatchObject({ method: 'provider', amount: 700 });
    await until('the order to be paid', async () => (await order(id)).stage === 'paid');
    expect(await order(id)).toMatchObject({ secured: 1000, refunded: 0 });
    expect((await listed(id)).map(({ id: one, state, amount }) => [one, state, amount])).toEqual([
      [first.id, 'captured', 300],
      [second.id, 'captured', 700],
    ]);

    expectStatus(await shop.refundOrder(id, { reason: 'broken', amount: 800 }), 200);
    const refunds = async () => expectStatus(await shop.listOrderRefunds(id), 200).body.items;
    await until('both parts to be sent', async () =>
      (await refunds()).every(({ payments }) => payments.every(({ state }) => state === 'sent')),
    );
    expect(await refunds()).toMatchObject([
      {
        amount: 800,
        payments: [
          { paymentId: first.id, amount: 100, state: 'sent' },
          { paymentId: second.id, amount: 700, state: 'sent' },
        ],
      },
    ]);
    expect(await read(second.id)).toMatchObject({ state: 'captured', refunded: 700 });
  });

  test('is paid by one payment of all that is left, which needs no amount', async () => {
    const id = await placed();
    expect(await added(id, byProvider())).toMatchObject({ amount: 1000 });
    await until('the order to be paid', async () => (await order(id)).stage === 'paid');
  });

  test('takes no payment of more than is left, and none in hold mode, whose wallet secures all', async () => {
    const id = await placed();
    await added(id, byWallet(300));
    for (const amount of [701, 1000]) {
      const refused = await add(id, byProvider('ok', amount));
      expect(codeOf(refused)).toEqual([409, 'payment_exceeds_total']);
      expect(refused.body.detail).toBe('Payments secure 300 of 1000 EUR, in minor units.');
    }
    const hold = await placed(wallet, { paymentMode: 'hold' });
    expect(codeOf(await add(hold, byWallet()))).toEqual([409, 'payment_exceeds_total']);
    expect([await listed(hold), (await listed(id)).length]).toEqual([[], 1]);
    for (const one of [id, hold]) expectStatus(await shop.cancel(one), 200);
  });

  test(`takes at most ${PAYMENTS_LIMIT} payments, however they end`, async () => {
    const id = await placed();
    for (let made = 0; made < PAYMENTS_LIMIT; made += 1) await added(id, byWallet(1));
    expect(codeOf(await add(id, byWallet(1)))).toEqual([409, 'too_many_payments']);
    expectStatus(await shop.cancel(id), 200);
  });

  test('that is over takes none, and says why', async () => {
    const [paid, cancelled] = [await placed(), await placed()];
    expectStatus(await shop.pay(paid), 200);
    expectStatus(await shop.cancel(cancelled), 200);
    expect(codeOf(await add(paid, byWallet()))).toEqual([409, 'order_not_payable']);
    expect(codeOf(await add(cancelled, byProvider()))).toEqual([409, 'order_cancelled']);
    expect(codeOf(await add(randomUUID(), byWallet()))).toEqual([404, 'not_found']);
    for (const id of [paid, cancelled]) expect(await listed(id)).toEqual([]);
    expect(codeOf(await shop.get(`/v1/orders/${randomUUID()}/payments`))).toEqual([404, 'not_found']);
  });

  test('that payments secure in part is not paid by its wallet at once, until they are voided', async () => {
    const id = await placed();
    const part = await added(id, byWallet(300));
    const key = randomUUID();
    for (const send of [
      () => shop.pay(id, { key }),
      () => shop.pay(id, { key }),
      () => loseAnswer(key).then(() => shop.pay(id, { key })),
    ]) {
      const refused = await send();
      expect(codeOf(refused)).toEqual([409, 'order_has_payments']);
    }
    expectStatus(await voided(part.id), 200);
    expect(await order(id)).toMatchObject({ secured: 0 });
    expectStatus(await shop.pay(id), 200);
    await stateIs(part.id, 'voided');
  });
});

describe('a payment', () => {
  test('that is declined is recorded, named by the refusal, and leaves the order to be paid', async () => {
    const id = await placed();
    const refused = await add(id, byProvider('declined'));
    expect(codeOf(refused)).toEqual([409, 'payment_declined']);
    expect(refused.body.orderId).toBe(id);
    expect(await read(paymentIdOf(refused))).toMatchObject({ state: 'declined', secures: false });
    expect(await order(id)).toMatchObject({ stage: 'awaiting_payment', secured: 0 });
    await added(id, byProvider());
    await until('the order to be paid', async () => (await order(id)).stage === 'paid');
  });

  test('that the wallet cannot cover is declined', async () => {
    const id = await placed(await shop.wallet(999));
    const refused = await add(id, byWallet());
    expect(codeOf(refused)).toEqual([422, 'insufficient_funds']);
    expect(await read(paymentIdOf(refused))).toMatchObject({
      state: 'declined',
      reason: 'insufficient_funds',
    });
    expectStatus(await shop.cancel(id), 200);
  });

  test('that is not known after some seconds is answered as pending, and read until it is', async () => {
    const id = await placed();
    const asked = await added(id, byProvider('pending-forever', 400));
    expect(asked).toMatchObject({ state: 'pending', secures: true });
    expect(await order(id)).toMatchObject({ secured: 400 });
    expectStatus(await voided(asked.id), 200);
    await stateIs(asked.id, 'voided');
    expect(await read(asked.id)).toMatchObject({ reason: 'void_requested', secures: false });
    expectStatus(await shop.cancel(id), 200);
  });

  test('is made once, and its first answer is given again', async () => {
    const id = await placed();
    const keys = [randomUUID(), randomUUID()] as const;
    const first = expectStatus(await add(id, byWallet(100), { key: keys[0] }), 201);
    const again = expectStatus(await add(id, byWallet(100), { key: keys[0] }), 201);
    expect([again.body, again.headers.get('location')]).toEqual([first.body, first.headers.get('location')]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    await loseAnswer(keys[0]);
    expect(idOf(expectStatus(await add(id, byWallet(100), { key: keys[0] }), 201))).toBe(idOf(first));

    const refused = await add(id, byProvider('declined', 50), { key: keys[1] });
    await loseAnswer(keys[1]);
    const later = await add(id, byProvider('declined', 50), { key: keys[1] });
    expect([codeOf(later), paymentIdOf(later)]).toEqual([codeOf(refused), paymentIdOf(refused)]);
    expect(codeOf(await add(id, byProvider('ok', 50), { key: keys[1] }))).toEqual([
      422,
      'idempotency_key_reused',
    ]);
    expect(await listed(id)).toHaveLength(2);
    expectStatus(await shop.cancel(id), 200);
  });

  test('that was refused is refused again after its answer was lost, also when it would fit by then', async () => {
    const id = await placed();
    const part = await added(id, byWallet(600));
    const key = randomUUID();
    expect(codeOf(await add(id, byWallet(500), { key }))).toEqual([409, 'payment_exceeds_total']);
    expectStatus(await voided(part.id), 200);
    await loseAnswer(key);
    expect(codeOf(await add(id, byWallet(500), { key }))).toEqual([409, 'payment_exceeds_total']);
    expectStatus(await shop.cancel(id), 200);
  });

  test.each([
    ['no method', {}],
    ['an unknown method', { method: 'cash' }],
    ['no source, by provider', { method: 'provider' }],
    ['a source, by wallet', { ...byWallet(), source: 'tok' }],
    ['an amount of zero', byWallet(0)],
    ['an amount below zero', byWallet(-1)],
    ['an amount in halves', byWallet(0.5)],
    ['an amount as a text', { method: 'wallet', amount: '1' }],
    ['a currency', { ...byWallet(1), currency: 'EUR' }],
    ['no body', undefined],
  ])('with %s is refused', async (_, body) => {
    const answer = await shop.post(`/v1/orders/${untouched}/payments`, body);
    expect(codeOf(answer)).toEqual([400, body === undefined ? 'malformed_body' : 'validation_failed']);
    expect(await listed(untouched)).toEqual([]);
  });

  test('by provider is refused where none is set up, and its key is not kept', async () => {
    const { shop: without } = await serve(system, { paymentSecrets: [] });
    const id = await placed();
    const key = randomUUID();
    const answer = await without.post(`/v1/orders/${id}/payments`, byProvider(), { key });
    expect(codeOf(answer)).toEqual([503, 'payments_unavailable']);
    expectStatus(await add(id, byProvider('ok', 1), { key }), 201);
    expectStatus(await shop.cancel(id), 200);
  });

  test('is read again only when it changed', async () => {
    const id = await placed();
    const part = await added(id, byWallet(100));
    const answer = await shop.get(`/v1/payments/${part.id}`);
    const known = { headers: { 'if-none-match': answer.headers.get('etag') ?? '' } };
    expect((await shop.get(`/v1/payments/${part.id}`, known)).status).toBe(304);
    expectStatus(await shop.cancel(id), 200);
    await stateIs(part.id, 'voided');
    expect((await shop.get(`/v1/payments/${part.id}`, known)).status).toBe(200);
    expect(codeOf(await shop.get(`/v1/payments/${randomUUID()}`))).toEqual([404, 'not_found']);
  });

  test('is in one page of the list only', async () => {
    const id = await placed();
    const made = [];
    for (const amount of [1, 2, 3]) made.push((await added(id, byWallet(amount))).id);
    const [path, found] = [`/v1/orders/${id}/payments?limit=2`, new Array<string>()];
    for (let next: string | null = path; next !== null;) {
      const page = paymentPage.parse(expectStatus(await shop.get(next), 200).body);
      found.push(...page.items.map((one) => one.id));
      next = page.nextCursor === null ? null : `${path}&cursor=${page.nextCursor}`;
    }
    expect(found).toEqual(made);
    expectStatus(await shop.cancel(id), 200);
  });
});

describe('a void', () => {
  test('takes an authorised payment out of what secures the order at once, however often it is sent', async () => {
    const id = await placed();
    const part = await added(id, byProvider('ok', 400));
    const key = randomUUID();
    const answer = expectStatus(await voided(part.id, { key }), 200);
    expect(answer.body).toMatchObject({ id: part.id, secures: false });
    expect(await order(id)).toMatchObject({ secured: 0 });
    await stateIs(part.id, 'voided');
    for (const options of [{ key }, {}]) expectStatus(await voided(part.id, options), 200);
    await added(id, byWallet());
    await until('the order to be paid', async () => (await order(id)).stage === 'paid');
  });

  test('of a payment that is captured or declined is refused, and takes no body', async () => {
    const id = await placed();
    const declined = paymentIdOf(await add(id, byProvider('declined')));
    const { id: captured } = await added(id, byWallet());
    await stateIs(captured, 'captured');
    for (const one of [declined, captured])
      expect(codeOf(await voided(one))).toEqual([409, 'payment_not_voidable']);
    expect(codeOf(await voided(randomUUID()))).toEqual([404, 'not_found']);
    expect(codeOf(await shop.post(`/v1/payments/${captured}/void`, { reason: 'x' }))).toEqual([
      400,
      'validation_failed',
    ]);
  });
});

test('what a buyer pays with is kept in one place only, and shown to nobody', async () => {
  const source = `tok-${randomUUID()}`;
  const id = await placed();
  const { id: paymentId, ...reply } = await added(id, byProvider(source));
  await until('the order to be paid', async () => (await order(id)).stage === 'paid');
  expect(JSON.stringify([reply, await order(id), await read(paymentId), await listed(id)])).not.toContain(
    source,
  );
  for (const workflowId of [orderWorkflowId(id), paymentWorkflowId(paymentId)])
    expect(await readHistory(client, workflowId)).not.toContain(source);
  await seal(database);
  for (const table of [
    'payment',
    'payment_event',
    'idempotency_key',
    'order_step',
    'order_event',
    'audit',
    'audit_inbox',
  ])
    for (const row of await sql.unsafe(`select row_to_json(${table})::text as text from ${table}`))
      expect(String(row['text'])).not.toContain(source);
});

test('a payment after the deadline is refused, and the order expires', async () => {
  const id = await placed();
  await clock.forward(orderWorkflowId(id), 16 * 60_000);
  expect(codeOf(await add(id, byProvider()))).toEqual([409, 'order_expired']);
});
