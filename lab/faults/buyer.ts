/** One buyer with one order: sends each request until it is answered, sometimes twice at once, and records what comes back. */
import type { ApiClient, CreateOrder, Order } from '../../api/client.ts';
import type { BuyerHistory, Operation, Request } from './history.ts';
import type { Random } from './random.ts';

const DOUBLE_CLICK = 0.05;

export type Basket = Required<Pick<CreateOrder, 'walletId' | 'lines' | 'paymentMode'>>;

export class Buyer {
  readonly random: Random;
  readonly history: BuyerHistory;
  readonly #api: ApiClient;
  #requests = 0;
  #deadline = 0;

  constructor(api: ApiClient, history: BuyerHistory, random: Random) {
    this.#api = api;
    this.history = history;
    this.random = random;
  }

  /** Whether the order now waits for payment. */
  async create(basket: Basket): Promise<boolean> {
    const body = { buyerId: 'faults', ...basket };
    return (await this.#send('create', { path: '/v1/orders', key: this.history.key, body })) === 201;
  }

  /** Milliseconds until the deadline that the buyer was given; negative after it. */
  timeLeft(): number {
    return this.#deadline - Date.now();
  }

  /** Returns the status, as do the others below. */
  pay(): Promise<number> {
    return this.#command('pay');
  }

  cancel(): Promise<number> {
    return this.#command('cancel', { reason: 'changed my mind' });
  }

  refund(restock: boolean): Promise<number> {
    return this.#command('refund', { reason: 'does not fit', restock });
  }

  #command(operation: Operation, body?: object): Promise<number> {
    const [id] = this.history.orderIds;
    if (id === undefined) throw new Error('An order that was never placed gets no commands.');
    this.#requests += 1;
    const key = `${this.history.key} ${operation} ${this.#requests}`;
    return this.#send(operation, { path: `/v1/orders/${id}/${operation}`, key, ...(body && { body }) });
  }

  async #send(operation: Operation, request: Request): Promise<number> {
    const { path, key, body: sent } = request;
    this.history.sent.push({ operation, request });
    const times = this.random.chance(DOUBLE_CLICK) ? 2 : 1;
    const answers = await Promise.all(
      Array.from({ length: times }, () => this.#api.post<Order>(path, sent, { key })),
    );
    for (const { status, body } of answers) {
      this.history.heard.push({ operation, key, status, body });
      const orderId = operation === 'create' ? (body.id ?? body.orderId) : body.id;
      if (orderId !== undefined) this.history.orderIds.add(orderId);
      if (body.paymentDeadline !== undefined) this.#deadline = Date.parse(body.paymentDeadline);
    }
    return answers[0]?.status ?? 0;
  }
}
