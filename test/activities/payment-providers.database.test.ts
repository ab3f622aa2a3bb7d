/** What every payment provider keeps to: the order's wallet, and a provider over HTTP, by the same tests. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { createAdvancingActivities } from '../../activities/payments/advance.ts';
import { createHttpProvider } from '../../activities/payments/http-provider.ts';
import { createResolvingActivities } from '../../activities/payments/resolve.ts';
import { createWalletProvider, giveToOrdersWallet } from '../../activities/payments/wallet-provider.ts';
import { RULES_OF_TABLES } from '../../db/rules/rules.ts';
import { recordPayment } from '../../db/steps/payments/record-payment.ts';
import { requestVoid } from '../../db/steps/payments/request-void.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import {
  type ProviderRefusedError,
  WalletFullError,
  type AuthoriseRequest,
  type PaymentProvider,
  type ProviderRefusal,
} from '../../domain/payment-provider.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { startProvider } from '../support/provider.ts';
import { AT, anOrder, releaseTo } from '../support/step-requests.ts';
import { until } from '../support/until.ts';
import { fundedWallet, stockedSku, topUp } from '../support/stock.ts';

const AMOUNT = 900;

const { database, sql } = await freshDatabase();
const { settings } = await startProvider();
const { reserve, release, openPayment } = createActivities(database);

// Nobody records here what the wallet did, so its payments stay pending: the rule about payments is for those who do.
const RULES = RULES_OF_TABLES.filter(({ provenBy }) => !provenBy.includes('payment_inconsistent'));
afterEach(() => expectRulesHold(sql, RULES));

/** A payment of an order of 1,500 that its wallet has, or of all but one unit of which it has. */
async function byWallet(funds = 2_000) {
  const [sku, walletId] = await Promise.all([stockedSku(sql, { onHand: 10 }), fundedWallet(sql, { funds })]);
  const order = anOrder({ walletId, lines: [{ sku, quantity: 3 }] });
  await reserve(order);
  return { ...(await paymentOf(order.orderId)), walletId };
}

/** One more payment of an order. */
async function paymentOf(orderId: string, amount = AMOUNT): Promise<AuthoriseRequest> {
  const reference = uuidv7();
  await openPayment({ orderId, commandId: reference, method: 'wallet', amount, at: AT });
  return { reference, orderId, amount, currency: 'EUR', source: '' };
}

const overHttp = (source: string): AuthoriseRequest => ({
  reference: randomUUID(),
  orderId: randomUUID(),
  amount: AMOUNT,
  currency: 'EUR',
  source,
});

const wallet = createWalletProvider(database);

interface Subject {
  name: string;
  provider: PaymentProvider;
  request: () => Promise<AuthoriseRequest>;
  /** A payment that is declined. */
  declined: () => Promise<AuthoriseRequest>;
}

const SUBJECTS: readonly Subject[] = [
  { name: 'the wallet', provider: wallet, request: () => byWallet(), declined: () => byWallet(AMOUNT - 1) },
  {
    name: 'a provider over HTTP',
    provider: createHttpProvider(settings),
    request: () => Promise.resolve(overHttp('ok')),
    declined: () => Promise.resolve(overHttp('declined')),
  },
];

/** Three times at once, and once more. */
async function again<T>(call: () => Promise<T>): Promise<T[]> {
  return [...(await Promise.all([call(), call(), call()])), await call()];
}

const refused = (code: ProviderRefusal) =>
  expect.objectContaining({ name: 'ProviderRefusedError', code } satisfies Partial<ProviderRefusedError>);

describe.each(SUBJECTS)('$name', ({ provider, request, declined }) => {
  async function captured() {
    const payment = await provider.authorise(await request());
    await provider.capture(payment);
    return payment;
  }

  test('authorises a payment once however often it is asked, and finds it by its reference', async () => {
    const asked = await request();
    const payments = await again(() => provider.authorise(asked));
    expect(payments[0]).toEqual({
      id: expect.any(String),
      reference: asked.reference,
      order: asked.orderId,
      state: 'authorised',
      amount: AMOUNT,
      currency: 'EUR',
      captured: 0,
      refunded: 0,
    });
    for (const payment of payments)
      expect(payment).toMatchObject({ id: payments[0]?.id, state: 'authorised' });
    expect(await provider.find(asked.reference)).toMatchObject({ id: payments[0]?.id, state: 'authorised' });
  });

  test('answers that a payment is declined, with the reason, whenever it is asked, and neither captures nor voids it', async () => {
    const asked = await declined();
    for (const payment of await again(() => provider.authorise(asked)))
      expect(payment).toMatchObject({ state: 'declined', reason: expect.any(String), captured: 0 });
    const payment = await provider.find(asked.reference);
    expect(payment).toMatchObject({ state: 'declined', reason: expect.any(String) });
    if (!payment) return;
    await expect(provider.capture(payment)).rejects.toThrow(refused('not_capturable'));
    await expect(provider.void(payment)).rejects.toThrow(refused('not_voidable'));
  });

  test('captures all of a payment once however often it is asked, and does not void it then', async () => {
    const payment = await provider.authorise(await request());
    for (const now of await again(() => provider.capture(payment)))
      expect(now).toMatchObject({ id: payment.id, state: 'captured', captured: AMOUNT, refunded: 0 });
    await expect(provider.void(payment)).rejects.toThrow(refused('not_voidable'));
    expect(await provider.find(payment.reference)).toMatchObject({ state: 'captured', captured: AMOUNT });
  });

  test('voids a payment once however often it is asked, and neither captures nor refunds it then', async () => {
    const payment = await provider.authorise(await request());
    for (const now of await again(() => provider.void(payment)))
      expect(now).toMatchObject({ id: payment.id, state: 'voided', captured: 0 });
    await expect(provider.capture(payment)).rejects.toThrow(refused('not_capturable'));
    await expect(provider.refund(payment, { reference: uuidv7(), amount: 1 })).rejects.toThrow(
      refused('not_refundable'),
    );
    expect(await provider.find(payment.reference)).toMatchObject({ state: 'voided' });
  });

  test('of a capture and a void at the same time carries out one, and refuses the other', async () => {
    for (let round = 0; round < 10; round += 1) {
      const payment = await provider.authorise(await request());
      const ends = await Promise.allSettled([provider.capture(payment), provider.void(payment)]);
      const done = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.state] : []));
      const failed = ends.flatMap((end): unknown[] => (end.status === 'rejected' ? [end.reason] : []));
      expect(failed).toEqual([refused(done[0] === 'captured' ? 'not_voidable' : 'not_capturable')]);
      expect(await provider.find(payment.reference)).toMatchObject({ state: done[0] });
    }
  });

  test('gives back parts of a payment, each once for its reference, and never more than was captured', async () => {
    const payment = await captured();
    const [first, second, third] = [uuidv7(), uuidv7(), uuidv7()];
    for (const now of await again(() => provider.refund(payment, { reference: first, amount: 300 })))
      expect(now).toMatchObject({ state: 'captured', captured: AMOUNT, refunded: 300 });
    await expect(provider.refund(payment, { reference: second, amount: 601 })).rejects.toThrow(
      refused('refund_too_large'),
    );
    expect(await provider.refund(payment, { reference: third, amount: 600 })).toMatchObject({
      refunded: 900,
    });
    expect(await provider.find(payment.reference)).toMatchObject({ state: 'captured', refunded: 900 });
  });

  test('gives back one of two refunds at the same time that together come to more than was captured', async () => {
    const payment = await captured();
    const ends = await Promise.allSettled(
      Array.from({ length: 5 }, () => provider.refund(payment, { reference: uuidv7(), amount: 500 })),
    );
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await provider.find(payment.reference)).toMatchObject({ refunded: 500 });
  });

  test('gives back of two payments by one refund', async () => {
    const [one, other] = [await captured(), await captured()];
    const reference = uuidv7();
    expect(await provider.refund(one, { reference, amount: 100 })).toMatchObject({ refunded: 100 });
    expect(await provider.refund(other, { reference, amount: 200 })).toMatchObject({ refunded: 200 });
  });

  test('gives nothing back of a payment that was not captured', async () => {
    const payment = await provider.authorise(await request());
    await expect(provider.refund(payment, { reference: uuidv7(), amount: 1 })).rejects.toThrow(
      refused('not_refundable'),
    );
    await provider.void(payment);
  });

  test('finds nothing under a reference that it was never asked about', async () => {
    expect(await provider.find(randomUUID())).toBeUndefined();
  });
});

const NIL = '00000000-0000-0000-0000-000000000000';

const balance = async (walletId: string) =>
  (await sql`select posted, held from wallet where id = ${walletId}`)[0];

test('money that its provider refused and the wallet got is not given back a second time when the provider changed its mind', async () => {
  const provider = createHttpProvider(settings);
  const { advancePayment } = createAdvancingActivities(database, {
    providerOf: () => provider,
    unknownAfter: 60_000,
  });
  const { walletId, orderId } = await byWallet();
  const asked = { ...overHttp('ok'), reference: uuidv7(), orderId };
  const paymentId = asked.reference;
  await openPayment({ orderId, commandId: paymentId, method: 'provider', amount: AMOUNT / 2, at: AT });
  const payment = await provider.authorise({ ...asked, amount: AMOUNT / 2 });
  await release(releaseTo(orderId, 'expired'));
  await provider.capture(payment);
  await recordPayment(database, { paymentId, state: 'captured', providerId: payment.id, at: AT });
  // The attempt that heard the refusal died here.
  await giveToOrdersWallet(database, { paymentId, commandId: NIL });
  expect(
    await advancePayment({
      paymentId,
      at: AT,
      isFirst: true,
      unknownSince: null,
      quietSince: null,
      isLastLook: false,
    }),
  ).toMatchObject({
    state: 'returned',
    done: true,
  });
  expect(await provider.find(paymentId)).toMatchObject({ state: 'captured', refunded: 0 });
  expect(await balance(walletId)).toEqual({ posted: 2_000 + AMOUNT / 2, held: 0 });
});

test.each(['refunded by hand', 'refunded', 'to_wallet'] as const)(
  'money that an order cannot use, and that its provider does not give back, is booked as it was given back: %s',
  async (how) => {
    const provider = createHttpProvider(settings);
    const activities = {
      ...createAdvancingActivities(database, { providerOf: () => provider, unknownAfter: 60_000 }),
      ...createResolvingActivities(database),
    };
    const { walletId, orderId } = await byWallet();
    const paymentId = uuidv7();
    await openPayment({ orderId, commandId: paymentId, method: 'provider', amount: AMOUNT / 2, at: AT });
    const payment = await provider.authorise({
      ...overHttp('ok'),
      reference: paymentId,
      orderId,
      amount: AMOUNT / 2,
    });
    await release(releaseTo(orderId, 'expired'));
    await provider.capture(payment);
    await recordPayment(database, { paymentId, state: 'captured', providerId: payment.id, at: AT });
    const isByHand = how === 'refunded by hand';
    await provider.refund(payment, { reference: randomUUID(), amount: isByHand ? AMOUNT / 2 : 1 });
    const asked = { isFirst: true, unknownSince: null, quietSince: null, isLastLook: false };
    const advanced = await activities.advancePayment({ paymentId, at: AT, ...asked });
    if (isByHand) expect(advanced).toMatchObject({ state: 'returned', done: true });
    else {
      expect(advanced).toMatchObject({
        state: 'captured',
        trouble: { reason: 'payment_unknown', step: 'release', owes: NIL },
      });
      const decided = { paymentId, commandId: NIL, outcome: how, reason: 'the bank says so', at: AT };
      expect(await activities.resolveOwed(decided)).toEqual({ state: 'returned' });
      expect(await activities.resolveOwed(decided)).toEqual({ state: 'returned' });
    }
    const posted = 2_000 + (how === 'to_wallet' ? AMOUNT / 2 : 0);
    expect(await balance(walletId)).toEqual({ posted, held: 0 });
  },
);

describe('the money of a payment by wallet', () => {
  const ledger = async (reference: string) => [
    ...(await sql`
      select kind, account, amount, command_id as command
      from transfer join entry on entry.transfer_id = transfer.id
      where payment_id = ${reference}
      order by transfer.id, account
    `),
  ];

  test('is held, then taken into clearing, then given back from there', async () => {
    const { walletId, ...asked } = await byWallet();
    const payment = await wallet.authorise(asked);
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 900 });
    await wallet.capture(payment);
    expect(await balance(walletId)).toEqual({ posted: 1_100, held: 0 });
    const command = uuidv7();
    await wallet.refund(payment, { reference: command, amount: 400 });
    expect(await balance(walletId)).toEqual({ posted: 1_500, held: 0 });
    expect(await ledger(asked.reference)).toEqual([
      { kind: 'receipt', account: 'clearing', amount: 900, command: NIL },
      { kind: 'receipt', account: 'wallet', amount: -900, command: NIL },
      { kind: 'return', account: 'clearing', amount: -400, command },
      { kind: 'return', account: 'wallet', amount: 400, command },
    ]);
  });

  test('is let go of by a void', async () => {
    const { walletId, ...asked } = await byWallet();
    await wallet.void(await wallet.authorise(asked));
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
    expect(await ledger(asked.reference)).toEqual([]);
  });

  test('is never held in a late attempt of a declined payment, even after the buyer has topped up', async () => {
    const { walletId, ...asked } = await byWallet(AMOUNT - 1);
    expect(await wallet.authorise(asked)).toMatchObject({ state: 'declined', reason: 'insufficient_funds' });
    await topUp(sql, walletId, 1);
    expect(await wallet.authorise(asked)).toMatchObject({ state: 'declined' });
    expect(await wallet.authorise(await paymentOf(asked.orderId, 600))).toMatchObject({
      state: 'authorised',
    });
    expect(await balance(walletId)).toEqual({ posted: 900, held: 600 });
  });

  test('is never held for an order that is over, nor in a later attempt', async () => {
    const { walletId, ...asked } = await byWallet();
    await release(releaseTo(asked.orderId, 'expired'));
    for (const payment of await again(() => wallet.authorise(asked)))
      expect(payment).toMatchObject({ state: 'voided', captured: 0 });
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
  });

  test('is never held once somebody has asked for the void of its payment', async () => {
    const { walletId, ...asked } = await byWallet();
    await requestVoid(database, { paymentId: asked.reference, at: AT });
    expect(await wallet.authorise(asked)).toMatchObject({ state: 'voided' });
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
  });

  test('is let go of with its order, or once its payment is voided when the order expired at the same time', async () => {
    for (let round = 0; round < 25; round += 1) {
      const { walletId, ...asked } = await byWallet();
      const held = await wallet.authorise(await paymentOf(asked.orderId, 600));
      await Promise.all([wallet.authorise(asked), release(releaseTo(asked.orderId, 'expired'))]);
      expect(await wallet.find(held.reference)).toMatchObject({ state: 'voided' });
      await wallet.void({ id: asked.reference, reference: asked.reference });
      expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
    }
  });

  test('is taken or not when its order expires at the same time, and never both taken and let go of', async () => {
    for (let round = 0; round < 25; round += 1) {
      const { walletId, ...asked } = await byWallet();
      const payment = await wallet.authorise(asked);
      const [capture] = await Promise.allSettled([
        wallet.capture(payment),
        release(releaseTo(asked.orderId, 'expired')),
      ]);
      const isTaken = capture.status === 'fulfilled';
      expect(await balance(walletId)).toEqual({ posted: isTaken ? 1_100 : 2_000, held: 0 });
      if (isTaken) await wallet.refund(payment, { reference: NIL, amount: AMOUNT });
    }
  });

  test('is never promised twice, however many payments ask one wallet at once', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 100, price: 10 }),
      fundedWallet(sql, { funds: 75 }),
    ]);
    const orders = Array.from({ length: 25 }, () => anOrder({ walletId, lines: [{ sku, quantity: 1 }] }));
    await Promise.all(orders.map((order) => reserve(order)));
    const asked = await Promise.all(
      orders.flatMap(({ orderId }) => [paymentOf(orderId, 4), paymentOf(orderId, 6)]),
    );
    const payments = await Promise.all(asked.map((one) => wallet.authorise(one)));
    const authorised = payments.filter(({ state }) => state === 'authorised');
    const held = authorised.reduce((sum, { amount }) => sum + amount, 0);
    expect(held).toBeGreaterThan(75 - 6);
    expect(await balance(walletId)).toEqual({ posted: 75, held });
    await Promise.all(authorised.map((payment) => wallet.capture(payment)));
    expect(await balance(walletId)).toEqual({ posted: 75 - held, held: 0 });
  });

  test('waits outside a wallet that is full, and goes back once there is room', async () => {
    const { walletId, ...asked } = await byWallet();
    const payment = await wallet.authorise(asked);
    await wallet.capture(payment);
    await topUp(sql, walletId, BALANCE_LIMIT - 1_100 - AMOUNT + 1);
    await expect(wallet.refund(payment, { reference: NIL, amount: AMOUNT })).rejects.toThrow(WalletFullError);
    expect(await wallet.find(asked.reference)).toMatchObject({ refunded: 0 });
    expect(await wallet.refund(payment, { reference: uuidv7(), amount: AMOUNT - 1 })).toMatchObject({
      refunded: AMOUNT - 1,
    });
  });

  test('is left alone at once while another session has locked the wallet, also by an order that ends', async () => {
    const { walletId, ...asked } = await byWallet();
    const payment = await wallet.authorise(asked);
    const expiring = releaseTo(asked.orderId, 'expired');
    await sql.begin(async (transaction) => {
      await transaction`select from wallet where id = ${walletId} for update`;
      await expect(wallet.capture(payment)).rejects.toThrow(`the row of wallet ${walletId} locked`);
      await expect(release(expiring)).rejects.toMatchObject({ type: 'row_locked' });
    });
    // For a moment the row still counts as locked.
    const untilFree = <T>(attempt: () => Promise<T>) =>
      until('the wallet to count as free', () => attempt().catch(() => undefined));
    expect(await untilFree(() => release(expiring))).toMatchObject({ stage: 'expired' });
    // What the attempts that waited did, they did before.
    expect(await balance(walletId)).toMatchObject({ held: 0 });
    if ((await wallet.find(asked.reference))?.state === 'captured')
      await untilFree(() => wallet.refund(payment, { reference: NIL, amount: AMOUNT }));
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
  });

  test('is not held for a payment that nobody opened', async () => {
    const { orderId } = await byWallet();
    await expect(
      wallet.authorise({ reference: uuidv7(), orderId, amount: 1, currency: 'EUR', source: '' }),
    ).rejects.toThrow('not in the database');
  });
});
