/**
 * The whole system with a payment provider beside it, whose notifications pass through the test; and the question that every test of
 * payments ends with: does all money that anybody took or gave back stand in both books, to the unit?
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect } from 'vitest';
import { z } from 'zod';
import type { HttpProviderSettings } from '../../activities/payments/http-provider.ts';
import type { Send } from '../../api/client.ts';
import { PROVIDER_STATES } from '../../domain/payment-provider.ts';
import type { PaymentMethod, PaymentState } from '../../domain/payments.ts';
import type { Sql } from '../../db/postgres.ts';
import { until } from './until.ts';

/** Stands between the provider and an API that starts after it, or that a test keeps from hearing. */
export interface Relay {
  /** Where the provider sends its notifications. */
  url: string;
  /** Passes them on to this API from now on. Until then, and while it is undefined, each is refused with 503 and comes again. */
  to(send: Send | undefined): void;
  /** How many were passed on so far. */
  passed(): number;
}

const NOTIFICATIONS = '/v1/payment-notifications';

/** Call at the top of a file. */
export async function startRelay(): Promise<Relay> {
  let target: Send | undefined;
  let passed = 0;
  const server = createServer((request, response) => {
    void buffer(request)
      .then(async (body) => {
        if (target === undefined) return response.writeHead(503).end();
        const headers = new Headers();
        for (const [name, value] of Object.entries(request.headers))
          if (typeof value === 'string' && (name.startsWith('webhook-') || name === 'content-type'))
            headers.set(name, value);
        const answer = await target(NOTIFICATIONS, { method: 'POST', headers, body: new Uint8Array(body) });
        passed += 1;
        return response.writeHead(answer.status).end();
      })
      .catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The relay listens at no port.');
  return {
    url: `http://127.0.0.1:${address.port}${NOTIFICATIONS}`,
    to: (send) => {
      target = send;
    },
    passed: () => passed,
  };
}

const bookSchema = z.object({
  payments: z.array(
    z.object({
      id: z.string(),
      reference: z.string(),
      order: z.string(),
      state: z.enum(PROVIDER_STATES),
      amount: z.int(),
      currency: z.string(),
      captured: z.int(),
      refunded: z.int(),
    }),
  ),
});
export type BookedPayment = z.output<typeof bookSchema>['payments'][number];

/** All payments that the provider knows. */
export async function readBook({ url, key }: HttpProviderSettings): Promise<BookedPayment[]> {
  const response = await fetch(`${url}/v1/book`, { headers: { authorization: `Bearer ${key}` } });
  return bookSchema.parse(await response.json()).payments;
}

/** What the provider keeps of an order's payments. */
export const keptOf = async (settings: HttpProviderSettings, orderId: string): Promise<number> =>
  (await readBook(settings))
    .filter(({ order }) => order === orderId)
    .reduce((sum, { captured, refunded }) => sum + captured - refunded, 0);

/** A payment with what the ledger has of it. */
interface LedgerPayment {
  id: string;
  orderId: string;
  method: PaymentMethod;
  amount: number;
  state: PaymentState;
  secures: boolean;
  refunded: number;
  stage: string;
  /** Of its refunds, what is not sent yet. */
  owed: number;
  received: number;
  returned: number;
  returnedToWallet: number;
}

const readPayments = (sql: Sql) => sql<LedgerPayment[]>`
  select
    payment.id, order_id as "orderId", method, amount, payment.state, secures, payment.refunded, orders.stage,
    (select coalesce(sum(amount), 0) from refund_payment where payment_id = payment.id and state = 'owed')::integer as owed,
    (
      select coalesce(sum(entry.amount), 0) from transfer join entry on transfer_id = transfer.id
      where payment_id = payment.id and kind = 'receipt' and account = 'clearing'
    )::integer as received,
    (
      select coalesce(-sum(entry.amount), 0) from transfer join entry on transfer_id = transfer.id
      where payment_id = payment.id and kind = 'return' and account = 'clearing'
    )::integer as returned,
    (
      select coalesce(sum(entry.amount), 0) from transfer join entry on transfer_id = transfer.id
      where payment_id = payment.id and kind = 'return' and account = 'wallet'
    )::integer as "returnedToWallet"
  from payment join orders on orders.id = payment.order_id
  order by payment.id
`;

interface PaidOrder {
  id: string;
  stage: string;
  total: number;
  secured: number;
  refunded: number;
  /** Captured payments that secure it. */
  captured: number;
  live: number;
  /** What their refunds gave to payments, sent or not. */
  givenBack: number;
}

const readOrders = (sql: Sql) => sql<PaidOrder[]>`
  select
    orders.id, stage, total, secured, orders.refunded,
    sum(amount) filter (where secures and payment.state = 'captured')::integer as captured,
    sum(amount) filter (where secures)::integer as live,
    (select coalesce(sum(amount), 0) from refund_payment where order_id = orders.id)::integer as "givenBack"
  from orders join payment on order_id = orders.id
  group by orders.id
`;

const balanceOf = async (sql: Sql, account: string): Promise<number> => {
  const [row] = await sql<{ balance: number }[]>`
    select coalesce(sum(amount), 0)::integer as balance from entry where account = ${account}
  `;
  return row?.balance ?? 0;
};

const isOver = (stage: string): boolean => stage !== 'awaiting_payment';

/** Whether something of a payment is still to be done, by anyone. */
const isUnsettled = ({ state, secures, owed, stage }: LedgerPayment): boolean =>
  owed > 0 ||
  state === 'capturing' ||
  (state === 'pending' && (isOver(stage) || !secures)) ||
  (state === 'authorised' && (isOver(stage) || !secures)) ||
  (state === 'captured' && !secures);

/** What of a payment contradicts itself or its provider, in words. */
function findingsOf(payment: LedgerPayment, booked: BookedPayment | undefined): string[] {
  const { id, method, amount, state, secures, refunded, stage, received, returned, returnedToWallet } =
    payment;
  const wasTaken = state === 'captured' || state === 'returned';
  const back = state === 'returned' ? amount : refunded;
  const wrong = (condition: boolean, what: string) =>
    condition ? [`payment ${id} (${state}): ${what}`] : [];
  const found = [
    ...wrong(isUnsettled(payment), `is not settled, of an order that is ${stage}`),
    ...wrong(received !== (wasTaken ? amount : 0), `the ledger received ${received} of ${amount}`),
    ...wrong(returned !== back, `the ledger returned ${returned} of ${back}`),
    ...wrong(secures && isOver(stage) && state !== 'captured', `secures an order that is ${stage}`),
  ];
  if (method === 'wallet') return [...found, ...wrong(booked !== undefined, 'the provider has it, too')];
  const taken = booked?.captured ?? 0;
  const sentBack = booked?.refunded ?? 0;
  // Of another amount, it is given back as it came, and not booked.
  const isAsAsked = booked === undefined || booked.amount === amount;
  return [
    ...found,
    ...wrong(isAsAsked && taken !== received, `the provider took ${taken}, the ledger received ${received}`),
    ...wrong(
      isAsAsked && sentBack !== returned - returnedToWallet,
      `the provider gave ${sentBack} back, the ledger ${returned - returnedToWallet}`,
    ),
    ...wrong(
      taken - sentBack !== received - returned + returnedToWallet,
      'the provider keeps another amount',
    ),
    ...wrong(
      booked?.state === 'authorised' && !(state === 'authorised' && secures),
      'the provider still holds the money',
    ),
  ];
}

function findingsOfOrder({ id, stage, total, secured, refunded, captured, live, givenBack }: PaidOrder) {
  const paid = stage === 'paid' || stage === 'refunded';
  const wrong = (condition: boolean, what: string) => (condition ? [`order ${id} (${stage}): ${what}`] : []);
  return [
    ...wrong(secured !== (live ?? 0), `${secured} is secured, by payments of ${live ?? 0}`),
    ...wrong(!paid && isOver(stage) && secured !== 0, 'is over and secured'),
    ...wrong(
      paid && secured > 0 && (captured !== total || secured !== total),
      `${captured ?? 0} was captured of ${total}`,
    ),
    ...wrong(
      secured > 0 && paid && givenBack !== refunded,
      `${givenBack} of ${refunded} went to its payments`,
    ),
  ];
}

/**
 * Everything that is wrong with the money of payments, in words: between payments, orders and ledger, and between these and the
 * provider's book. Nothing is wrong with what still moves only when it is awaited: see {@link untilSettled}.
 */
export async function findLostMoney(sql: Sql, book: readonly BookedPayment[]): Promise<string[]> {
  const byReference = new Map(book.map((booked) => [booked.reference, booked]));
  const payments = await readPayments(sql);
  const known = new Set(payments.map(({ id }) => id));
  const kept = payments.reduce((sum, { received, returned }) => sum + received - returned, 0);
  const applied = (await readOrders(sql))
    .filter(({ stage, secured }) => secured > 0 && isOver(stage))
    .reduce((sum, { total, refunded }) => sum + total - refunded, 0);
  const clearing = await balanceOf(sql, 'clearing');
  const provider = await balanceOf(sql, 'provider');
  const atProvider = book
    .filter(({ reference }) => known.has(reference))
    .reduce((sum, { captured, refunded }) => sum + captured - refunded, 0);
  const toWallet = payments
    .filter(({ method }) => method === 'provider')
    .reduce((sum, payment) => sum + payment.returnedToWallet, 0);
  return [
    ...payments.flatMap((payment) => findingsOf(payment, byReference.get(payment.id))),
    ...(await readOrders(sql)).flatMap(findingsOfOrder),
    ...book
      .filter(({ reference }) => !known.has(reference))
      .filter(({ state, captured, refunded }) => captured !== refunded || state === 'authorised')
      .map(({ reference, state }) => `the provider keeps money of nobody's payment ${reference} (${state})`),
    ...(clearing === kept - applied
      ? []
      : [`clearing has ${clearing}, payments and orders ${kept - applied}`]),
    ...(-provider === atProvider
      ? []
      : [
          `the account of the provider has ${provider}, its book ${-atProvider} (${toWallet} went to wallets)`,
        ]),
  ];
}

/** Fails, and lists all that is wrong. Waits until nothing moves any more, at most a minute. */
export async function expectNoMoneyLost(sql: Sql, settings: HttpProviderSettings): Promise<void> {
  await untilSettled(sql);
  expect(await findLostMoney(sql, await readBook(settings))).toEqual([]);
}

const SETTLED_WITHIN_MS = 60_000;

/** Resolves when no payment, of these orders or of all, has anything left to do but to wait for its open order. */
export async function untilSettled(sql: Sql, ...orderIds: string[]): Promise<void> {
  const unsettled = async () =>
    (await readPayments(sql)).filter(
      (payment) => isUnsettled(payment) && (orderIds.length === 0 || orderIds.includes(payment.orderId)),
    );
  try {
    await until(
      'all payments to be settled',
      async () => (await unsettled()).length === 0,
      SETTLED_WITHIN_MS,
    );
  } catch (error) {
    throw new Error(`Unsettled payments: ${JSON.stringify(await unsettled())}`, { cause: error });
  }
}

/** The states of an order's payments, first to last, by their ids. */
export async function paymentStatesOf(sql: Sql, orderId: string): Promise<PaymentState[]> {
  const rows = await sql<{ state: PaymentState }[]>`
    select state from payment where order_id = ${orderId} order by id
  `;
  return rows.map(({ state }) => state);
}
