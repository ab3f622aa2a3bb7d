/** One buyer with one order: sends each request until it is answered, now and then twice at once, and writes down what was heard. */
import type { Callers } from './caller.ts';
import type { Random } from './random.ts';
import type { Deed, Story } from './story.ts';

const DOUBLE_CLICK = 0.05;

export interface Line {
  sku: string;
  quantity: number;
}

export interface Basket {
  walletId: string;
  lines: readonly Line[];
  paymentMode: 'debit' | 'hold';
}

export class Buyer {
  readonly random: Random;
  readonly story: Story;
  readonly #callers: Callers;
  #requests = 0;
  #deadline = 0;

  constructor(callers: Callers, story: Story, random: Random) {
    this.#callers = callers;
    this.story = story;
    this.random = random;
  }

  /** Whether it now waits for payment. */
  async create(basket: Basket): Promise<boolean> {
    const body = { buyerId: 'faults', ...basket };
    return (await this.#send('create', '/v1/orders', this.story.key, body)) === 201;
  }

  /** Milliseconds until the order's deadline, as it was told; negative after it. */
  timeLeft(): number {
    return this.#deadline - Date.now();
  }

  /** Returns the status, as the others below. */
  pay(): Promise<number> {
    return this.#command('pay');
  }

  cancel(): Promise<number> {
    return this.#command('cancel', { reason: 'changed my mind' });
  }

  refund(restock: boolean): Promise<number> {
    return this.#command('refund', { reason: 'does not fit', restock });
  }

  #command(deed: Deed, body?: object): Promise<number> {
    const [id] = this.story.orderIds;
    if (id === undefined) throw new Error('An order that was never placed gets no commands.');
    this.#requests += 1;
    const key = `${this.story.key} ${deed} ${this.#requests}`;
    return this.#send(deed, `/v1/orders/${id}/${deed}`, key, body);
  }

  async #send(deed: Deed, path: string, key: string, body?: object): Promise<number> {
    const request = { path, key, ...(body && { body }) };
    this.story.sent.push({ deed, request });
    const times = this.random.chance(DOUBLE_CLICK) ? 2 : 1;
    const answers = await Promise.all(Array.from({ length: times }, () => this.#callers.post(request)));
    for (const answer of answers) {
      this.story.heard.push({ deed, key, ...answer });
      const orderId = deed === 'create' ? (answer.body.id ?? answer.body.orderId) : answer.body.id;
      if (orderId !== undefined) this.story.orderIds.add(orderId);
      if (answer.body.paymentDeadline !== undefined) this.#deadline = Date.parse(answer.body.paymentDeadline);
    }
    return answers[0]?.status ?? 0;
  }
}
