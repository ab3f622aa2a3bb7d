/** Orders whose steps are interrupted in every way that a network can, and the facts that must be true of them afterwards. */
import { expect } from 'vitest';
import { z } from 'zod';
import { PAYMENT_MODES, type PaymentMode } from '../../domain/order.ts';
import { interruptions, type Interruption } from './interruptions.ts';
import { startSystem } from './system.ts';

export const WINDOW = 15 * 60_000;

export type Attempts = readonly Interruption[];

/** Only the local attempt is interrupted, and not the activity that the step falls back to. */
export const ONCE: readonly Attempts[] = [
  ['fails before it is sent'],
  ['commits but loses its answer'],
  ['commits late'],
  ['runs twice at once'],
];
/** The fallback's first attempts are interrupted, too. */
export const REPEATED: Attempts = [
  'fails before it is sent',
  'commits late',
  'commits but loses its answer',
  'runs twice at once',
];
export const describeAttempts = (attempts: Attempts) => attempts.join(', then ');
export const countLate = (attempts: Attempts) =>
  attempts.filter((interruption) => interruption === 'commits late').length;

export interface Buyer {
  sku: string;
  wallet: string;
}

export interface PlacedOrder extends Buyer {
  id: string;
}

export interface Case {
  attempts: Attempts;
  mode: PaymentMode;
  /** Whether a late statement is carried out before or after the next command. */
  lands: 'before' | 'after';
}

const CASES: readonly Omit<Case, 'mode'>[] = [
  ...ONCE.map((attempts) => ({ attempts, lands: 'before' }) as const),
  { attempts: ['commits late'], lands: 'after' },
  { attempts: REPEATED, lands: 'after' },
];

export const casesOf = (modes: readonly PaymentMode[] = PAYMENT_MODES): [string, Case][] =>
  modes.flatMap((mode) =>
    CASES.map(({ attempts, lands }): [string, Case] => {
      const late = countLate(attempts) === 0 ? '' : `, with the late commit ${lands} the next command`;
      return [`in ${mode} mode, when it ${describeAttempts(attempts)}${late}`, { attempts, mode, lands }];
    }),
  );

const eventPage = z.object({ items: z.array(z.object({ stage: z.string() })) });

export interface Facts {
  stage: unknown;
  /** The stages of the order's events. */
  path: string[];
  stock: unknown;
  balance: unknown;
  /** Their kinds. */
  transfers: string[];
}

export const WHOLE = { onHand: 10, reserved: 0, available: 10 };
export const SOLD = { onHand: 8, reserved: 0, available: 8 };
export const paymentIn = (mode: PaymentMode) => (mode === 'hold' ? 'capture' : 'debit');

export const open = (mode: PaymentMode, posted = 5_000): Facts => ({
  stage: 'awaiting_payment',
  path: ['awaiting_payment'],
  stock: { onHand: 10, reserved: 2, available: 8 },
  balance: { posted, held: mode === 'hold' ? 1_000 : 0 },
  transfers: [],
});
export const sold = (mode: PaymentMode, posted = 4_000): Facts => ({
  stage: 'paid',
  path: ['awaiting_payment', 'paid'],
  stock: SOLD,
  balance: { posted, held: 0 },
  transfers: [paymentIn(mode)],
});
export const unpaid = (stage: 'cancelled' | 'expired', posted = 5_000): Facts => ({
  stage,
  path: ['awaiting_payment', stage],
  stock: WHOLE,
  balance: { posted, held: 0 },
  transfers: [],
});
export const refunded = (mode: PaymentMode, restock: boolean): Facts => ({
  stage: 'refunded',
  path: ['awaiting_payment', 'paid', 'refunded'],
  stock: restock ? WHOLE : SOLD,
  balance: { posted: 5_000, held: 0 },
  transfers: [paymentIn(mode), 'refund'],
});
export const neverReserved: Facts = {
  stage: 'cancelled',
  path: ['cancelled'],
  stock: WHOLE,
  balance: { posted: 5_000, held: 0 },
  transfers: [],
};

export const done = (stage: string) => ({ status: 200, body: { stage } });
export const refused = (status: number, code: string) => ({ status, body: { code } });

/** Call at the top of a file: the orders live in a system of its own. */
export async function startInterruptedOrders() {
  const { between, interrupt } = interruptions();
  const system = await startSystem({ paymentWindow: WINDOW, workerDatabase: between });
  const { shop, sql } = system;

  /** 10 units at 500, and a wallet. */
  async function createBuyer(funds = 5_000): Promise<Buyer> {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
    return { sku, wallet };
  }

  /** An order of 2 units. */
  async function placeOrder(paymentMode: PaymentMode, funds?: number): Promise<PlacedOrder> {
    const { sku, wallet } = await createBuyer(funds);
    return { sku, wallet, id: await shop.placed(wallet, sku, 2, { paymentMode }) };
  }

  async function placePaidOrder(paymentMode: PaymentMode): Promise<PlacedOrder> {
    const order = await placeOrder(paymentMode);
    expect(await shop.pay(order.id)).toMatchObject({ status: 200 });
    return order;
  }

  /** Everything that an order has changed. */
  async function factsOf({ id, sku, wallet }: PlacedOrder): Promise<Facts> {
    const [stage, events, stock, balance, transfers] = await Promise.all([
      shop.stageOf(id),
      shop.get(`/v1/orders/${id}/events`),
      shop.stockOf(sku),
      shop.balanceOf(wallet),
      sql<{ kind: string }[]>`select kind from transfer where order_id = ${id} order by kind`,
    ]);
    return {
      stage,
      path: eventPage.parse(events.body).items.map((event) => event.stage),
      stock,
      balance,
      transfers: transfers.map(({ kind }) => kind),
    };
  }
  return { ...system, interrupt, createBuyer, placeOrder, placePaidOrder, factsOf };
}
