/** One buyer with one order: sends each request until it is answered, sometimes twice at once, and records what comes back. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AddPayment, ApiClient, CreateOrder, Order, RefundOrder } from '../../api/client.ts';
import { isAboutPayment, type BuyerHistory, type Heard, type Operation, type Sent } from './history.ts';
import type { Random } from '../../dev/random.ts';

const DOUBLE_CLICK = 0.05;

const REASON = 'does not fit';
/** Every question takes time from the orders themselves. */
const POLL_MS = 2_000;

export type Basket = Required<Pick<CreateOrder, 'walletId' | 'lines' | 'paymentMode'>> &
  Pick<CreateOrder, 'adjustments'>;

/** What was ordered, as the API answered it: lines of one SKU are added up. */
export type Bought = Pick<Order, 'lines'> & { total: number };

/** How an order that is paid in parts stands. */
export interface Standing {
  stage: string;
  /** What no payment secures. */
  left: number;
}

export class Buyer {
  readonly random: Random;
  readonly history: BuyerHistory;
  readonly #api: ApiClient;
  #requests = 0;
  #deadline = 0;
  #bought: Bought = { lines: [], total: 0 };

  constructor(api: ApiClient, history: BuyerHistory, random: Random) {
    this.#api = api;
    this.history = history;
    this.random = random;
  }

  /** Whether the order now waits for payment. */
  async create(basket: Basket): Promise<boolean> {
    return (await this.#create({ operation: 'create' }, basket)) === 201;
  }

  /** Returns the status, as do the others below. A payment that is refused may leave an order that waits for another. */
  createAndPay(basket: Basket): Promise<number> {
    return this.#create({ operation: 'create and pay' }, { ...basket, pay: true });
  }

  bought(): Bought {
    return this.#bought;
  }

  /** Milliseconds until the deadline that the buyer was given; negative after it. */
  timeLeft(): number {
    return this.#deadline - Date.now();
  }

  pay(): Promise<number> {
    return this.#command({ operation: 'pay' });
  }

  /** Pays a part of the order, or all that is left of it, from one source. */
  addPayment(payment: AddPayment): Promise<number> {
    const path = `/v1/orders/${this.#orderId()}/payments`;
    const key = this.#nextKey('add payment');
    return this.#send({ operation: 'add payment', payment, request: { path, key, body: payment } });
  }

  /** Gives up a payment that was answered. */
  voidPayment(paymentId: string): Promise<number> {
    const request = { path: `/v1/payments/${paymentId}/void`, key: this.#nextKey('void payment') };
    return this.#send({ operation: 'void payment', paymentId, request });
  }

  /** The ids of the payments that were opened, first to last. */
  paymentIds(): string[] {
    return this.history.heard.flatMap(({ operation, body }) =>
      operation === 'add payment' && body.id !== undefined ? [body.id] : [],
    );
  }

  /** Reads the order until it no longer waits for payment, or until nothing is under way for it that could pay for it. */
  async untilSettled(signal: AbortSignal): Promise<Standing> {
    for (;;) {
      const { body } = await this.#api.getOrder(this.#orderId());
      const standing = { stage: body.stage ?? '', left: this.#bought.total - (body.secured ?? 0) };
      if (standing.stage !== 'awaiting_payment' || standing.left > 0) return standing;
      await delay(POLL_MS, undefined, { signal });
    }
  }

  cancel(): Promise<number> {
    const reason = 'changed my mind';
    return this.#command({ operation: 'cancel', refund: { reason, restock: true } }, { reason });
  }

  /** All that is left. */
  refundRest(restock: boolean): Promise<number> {
    return this.#refund({ reason: REASON, restock });
  }

  refundAmount(amount: number): Promise<number> {
    return this.#refund({ reason: REASON, amount });
  }

  refundLines(lines: { sku: string; quantity: number; restock: boolean }[]): Promise<number> {
    return this.#refund({ reason: REASON, lines });
  }

  #refund(refund: RefundOrder): Promise<number> {
    return this.#command({ operation: 'refund', refund }, refund);
  }

  #create(what: Omit<Sent, 'request'>, order: Basket & Pick<CreateOrder, 'pay'>): Promise<number> {
    const body = { buyerId: 'faults', ...order };
    return this.#send({ ...what, request: { path: '/v1/orders', key: this.history.key, body } });
  }

  #command(what: Omit<Sent, 'request'>, body?: object): Promise<number> {
    const { operation } = what;
    const path = `/v1/orders/${this.#orderId()}/${operation}`;
    return this.#send({ ...what, request: { path, key: this.#nextKey(operation), ...(body && { body }) } });
  }

  #orderId(): string {
    const [id] = this.history.orderIds;
    if (id === undefined) throw new Error('An order that was never placed gets no commands.');
    return id;
  }

  #nextKey(operation: Operation): string {
    this.#requests += 1;
    return `${this.history.key} ${operation} ${this.#requests}`;
  }

  async #send(sent: Sent): Promise<number> {
    const { operation, request } = sent;
    const { path, key, body: contents } = request;
    this.history.sent.push(sent);
    const times = this.random.chance(DOUBLE_CLICK) ? 2 : 1;
    const answers = await Promise.all(
      Array.from({ length: times }, () => this.#api.post<Order>(path, contents, { key })),
    );
    for (const { status, body } of answers) {
      this.history.heard.push({ operation, key, status, body });
      const orderId = orderNamedBy(operation, body);
      if (orderId !== undefined) this.history.orderIds.add(orderId);
      if (body.paymentDeadline !== undefined) this.#deadline = Date.parse(body.paymentDeadline);
      if (body.lines && body.total) this.#bought = { lines: body.lines, total: body.total.amount };
    }
    return answers[0]?.status ?? 0;
  }
}

/** The id in an answer about a payment is the payment's. */
function orderNamedBy(operation: Operation, { id, orderId }: Heard['body']): string | undefined {
  if (isAboutPayment(operation)) return id === undefined ? undefined : orderId;
  return id ?? (operation.startsWith('create') ? orderId : undefined);
}
