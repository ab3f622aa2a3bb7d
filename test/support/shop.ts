/** A caller of the HTTP API, as section 7 of the design describes it and no more. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { answerBody, type Answer } from './answer.ts';
import { obey } from './obey.ts';

/** Whatever takes a Request: a Hono app in this process, or fetch. */
export type Send = (path: string, init: RequestInit) => Response | Promise<Response>;

export interface PostOptions {
  /** A fresh key unless given. */
  key?: string;
  /** Beside the key and the type. */
  headers?: Record<string, string>;
}

export class Shop {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  async get(path: string): Promise<Answer> {
    return answerOf(await this.#send(path, { method: 'GET' }));
  }

  /** A reply as it is written, for integers that JSON.parse would round. */
  async text(path: string): Promise<string> {
    return (await this.#send(path, { method: 'GET' })).text();
  }

  async put(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return answerOf(
      await this.#send(path, {
        method: 'PUT',
        headers: { ...JSON_TYPE, ...headers },
        body: JSON.stringify(body),
      }),
    );
  }

  async post(
    path: string,
    body?: unknown,
    { key = randomUUID(), headers: more = {} }: PostOptions = {},
  ): Promise<Answer> {
    const headers = { ...JSON_TYPE, ...more, 'idempotency-key': key };
    return answerOf(
      await this.#send(path, {
        method: 'POST',
        headers,
        body: body === undefined ? null : JSON.stringify(body),
      }),
    );
  }

  /** For requests that no well-behaved caller sends. */
  async raw(path: string, init: RequestInit): Promise<Answer> {
    return answerOf(await this.#send(path, init));
  }

  /** A SKU with so many units, at 500 euro cents each unless said otherwise. */
  async sku(onHand: number, price = { amount: 500, currency: 'EUR' }): Promise<string> {
    const sku = `SKU-${randomUUID().slice(0, 8)}`;
    expectStatus(await this.put(`/v1/skus/${sku}`, { name: 'Test', price, onHand }), 201);
    return sku;
  }

  /** A wallet with so much money. */
  async wallet(amount: number, currency = 'EUR'): Promise<string> {
    const id = idOf(expectStatus(await this.post('/v1/wallets', { ownerId: 'buyer', currency }), 201));
    if (amount > 0) await this.topUp(id, amount);
    return id;
  }

  async topUp(walletId: string, amount: number): Promise<void> {
    expectStatus(await this.post(`/v1/wallets/${walletId}/deposits`, { amount }), 201);
  }

  order(walletId: string, lines: unknown, more: object = {}, options: PostOptions = {}): Promise<Answer> {
    return this.post('/v1/orders', { buyerId: 'buyer', walletId, lines, ...more }, options);
  }

  /** An order that waits for payment, placed when there is room for it. Returns its id. */
  async placed(walletId: string, sku: string, quantity = 1, more: object = {}): Promise<string> {
    const key = randomUUID();
    const send = () => this.order(walletId, [{ sku, quantity }], more, { key });
    return idOf(expectStatus(await obey(send), 201));
  }

  pay(orderId: string, options: PostOptions = {}): Promise<Answer> {
    return this.post(`/v1/orders/${orderId}/pay`, undefined, options);
  }

  cancel(orderId: string, reason = 'changed my mind', options: PostOptions = {}): Promise<Answer> {
    return this.post(`/v1/orders/${orderId}/cancel`, { reason }, options);
  }

  refund(orderId: string, restock: boolean, options: PostOptions = {}): Promise<Answer> {
    return this.post(`/v1/orders/${orderId}/refund`, { reason: 'broken', restock }, options);
  }

  async stageOf(orderId: string): Promise<unknown> {
    return expectStatus(await this.get(`/v1/orders/${orderId}`), 200).body['stage'];
  }

  /** `{ onHand, reserved, available }` of a SKU. */
  async stockOf(sku: string): Promise<unknown> {
    const { onHand, reserved, available } = expectStatus(await this.get(`/v1/skus/${sku}`), 200).body;
    return { onHand, reserved, available };
  }

  /** `{ posted, held }` of a wallet. */
  async balanceOf(walletId: string): Promise<unknown> {
    const { posted, held } = expectStatus(await this.get(`/v1/wallets/${walletId}`), 200).body;
    return { posted, held };
  }
}

const JSON_TYPE = { 'content-type': 'application/json' };

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const body = answerBody.safeParse(text === '' ? {} : JSON.parse(text));
  if (!body.success)
    throw new Error(
      `${response.url} answered ${response.status} with something else than an object: ${text}`,
    );
  return { status: response.status, headers: response.headers, body: body.data };
}

/** Passes an answer on, or fails with the whole of it. */
export function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer;
  throw new Error(`Expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body, null, 2)}`);
}

export const idOf = ({ body }: Answer): string => z.string().parse(body['id']);
