/**
 * A client of the HTTP API for the programs of this repository. Its methods are named after the operations of the OpenAPI
 * document and typed by the API's own schemas; it imports no server code.
 */
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { cancelBody, createOrderBody, eventPage, orderSchema } from './schemas/orders.ts';
import type { addPaymentBody, paymentSchema } from './schemas/payments.ts';
import type { refundBody, refundPage } from './schemas/refunds.ts';
import type { putSkuBody, restockBody, skuSchema } from './schemas/skus.ts';
import type { createWalletBody, depositBody, walletSchema } from './schemas/wallets.ts';

export type AddPayment = z.input<typeof addPaymentBody>;
export type CreateOrder = z.input<typeof createOrderBody>;
export type Order = z.output<typeof orderSchema>;
export type OrderEvents = z.output<typeof eventPage>;
export type Payment = z.output<typeof paymentSchema>;
export type RefundOrder = z.input<typeof refundBody>;
export type Refunds = z.output<typeof refundPage>;
export type Sku = z.output<typeof skuSchema>;
export type Wallet = z.output<typeof walletSchema>;

/** Anything that answers a request: `fetch` with an address, or a Hono app in this process. */
export type Send = (path: string, init: RequestInit) => Response | Promise<Response>;

/** The fields of a problem document that programs decide by or print. */
interface ProblemFields {
  code?: string;
  detail?: string;
  orderId?: string;
}

/** An answer. Its body has either the fields of `Body` or those of a problem; {@link expectStatus} tells them apart. */
export interface Answer<Body = object> {
  status: number;
  headers: Headers;
  body: Partial<Body> & ProblemFields & Readonly<Record<string, unknown>>;
}

export interface CallOptions {
  headers?: Readonly<Record<string, string>>;
  /** Aborts the call. */
  signal?: AbortSignal;
}

export interface PostOptions extends CallOptions {
  /** The Idempotency-Key; a fresh one by default. */
  key?: string;
}

/** Who calls. */
export interface Credentials {
  /** The text of an API key, or a token. */
  key: string;
  /** The shop to work in, for a key of the installation; `main` unless given. */
  shop?: string;
}

const DEADLINE_MS = 15_000;

/** @param address such as `http://127.0.0.1:3000`. */
export function fetchFrom(address: string, deadlineMs = DEADLINE_MS): Send {
  return (path, { signal, ...init }) => {
    const deadline = AbortSignal.timeout(deadlineMs);
    return fetch(`${address}${path}`, {
      ...init,
      signal: signal ? AbortSignal.any([deadline, signal]) : deadline,
    });
  };
}

export class ApiClient {
  readonly #send: Send;
  readonly #credentials: Readonly<Record<string, string>>;

  /** Without credentials, for what anybody may call. */
  constructor(send: Send, credentials?: Credentials) {
    this.#send = send;
    this.#credentials = credentials === undefined ? {} : toHeaders(credentials);
  }

  createOrder(order: CreateOrder, options?: PostOptions): Promise<Answer<Order>> {
    return this.post('/v1/orders', order, options);
  }

  getOrder(id: string): Promise<Answer<Order>> {
    return this.get(`/v1/orders/${id}`);
  }

  listOrderEvents(id: string): Promise<Answer<OrderEvents>> {
    return this.get(`/v1/orders/${id}/events`);
  }

  payOrder(id: string, options?: PostOptions): Promise<Answer<Order>> {
    return this.post(`/v1/orders/${id}/pay`, undefined, options);
  }

  addPayment(orderId: string, body: AddPayment, options?: PostOptions): Promise<Answer<Payment>> {
    return this.post(`/v1/orders/${orderId}/payments`, body, options);
  }

  cancelOrder(id: string, body: z.input<typeof cancelBody>, options?: PostOptions): Promise<Answer<Order>> {
    return this.post(`/v1/orders/${id}/cancel`, body, options);
  }

  refundOrder(id: string, body: RefundOrder, options?: PostOptions): Promise<Answer<Order>> {
    return this.post(`/v1/orders/${id}/refund`, body, options);
  }

  listOrderRefunds(id: string): Promise<Answer<Refunds>> {
    return this.get(`/v1/orders/${id}/refunds`);
  }

  putSku(sku: string, body: z.input<typeof putSkuBody>): Promise<Answer<Sku>> {
    return this.put(`/v1/skus/${sku}`, body);
  }

  getSku(sku: string): Promise<Answer<Sku>> {
    return this.get(`/v1/skus/${sku}`);
  }

  restockSku(sku: string, body: z.input<typeof restockBody>, options?: PostOptions): Promise<Answer<Sku>> {
    return this.post(`/v1/skus/${sku}/restocks`, body, options);
  }

  createWallet(body: z.input<typeof createWalletBody>, options?: PostOptions): Promise<Answer<Wallet>> {
    return this.post('/v1/wallets', body, options);
  }

  getWallet(id: string): Promise<Answer<Wallet>> {
    return this.get(`/v1/wallets/${id}`);
  }

  depositIntoWallet(
    id: string,
    body: z.input<typeof depositBody>,
    options?: PostOptions,
  ): Promise<Answer<Wallet>> {
    return this.post(`/v1/wallets/${id}/deposits`, body, options);
  }

  get<Body = object>(path: string, options?: CallOptions): Promise<Answer<Body>> {
    return this.raw(path, { method: 'GET', ...options });
  }

  put<Body = object>(path: string, body: unknown, options?: CallOptions): Promise<Answer<Body>> {
    return this.raw(path, { method: 'PUT', ...withBody(body, options) });
  }

  post<Body = object>(
    path: string,
    body?: unknown,
    { key = randomUUID(), headers, ...options }: PostOptions = {},
  ): Promise<Answer<Body>> {
    const keyed = { ...options, headers: { ...headers, 'idempotency-key': key } };
    return this.raw(path, { method: 'POST', ...(body === undefined ? keyed : withBody(body, keyed)) });
  }

  /** For requests that no well-behaved caller sends. */
  async raw<Body = object>(path: string, init: RequestInit): Promise<Answer<Body>> {
    return toAnswer(await this.response(path, init));
  }

  /** Returns the body as it is written, for integers that JSON.parse would round. */
  async text(path: string): Promise<string> {
    return (await this.response(path, { method: 'GET' })).text();
  }

  /** Headers of the request go before those of the credentials. */
  async response(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(this.#credentials))
      if (!headers.has(name)) headers.set(name, value);
    return this.#send(path, { ...init, headers });
  }
}

const toHeaders = ({ key, shop }: Credentials): Record<string, string> => ({
  authorization: `Bearer ${key}`,
  ...(shop !== undefined && { 'holdfast-shop': shop }),
});

function withBody(body: unknown, { headers, ...options }: CallOptions = {}): RequestInit {
  return {
    ...options,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
}

async function toAnswer<Body>(response: Response): Promise<Answer<Body>> {
  const text = await response.text();
  // Trusted to have the shape of the API's schemas, which the API's own tests check.
  const body: Answer<Body>['body'] | null = text === '' ? {} : JSON.parse(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Error(`${response.url} answered ${response.status} and not with an object: ${text}`);
  return { status: response.status, headers: response.headers, body };
}

/** Returns the answer, with every field of `Body`, when it has one of these statuses. @throws with the whole answer otherwise. */
export function expectStatus<Body>(
  answer: Answer<Body>,
  ...expected: readonly number[]
): Answer<Body> & { body: Body } {
  if (hasStatus(answer, expected)) return answer;
  throw new Error(
    `The API answered ${answer.status} instead of ${expected.join(' or ')}: ${JSON.stringify(answer.body, null, 2)}`,
  );
}

function hasStatus<Body>(
  answer: Answer<Body>,
  expected: readonly number[],
): answer is Answer<Body> & { body: Body } {
  return expected.includes(answer.status);
}

/** The seconds that the answer asks to wait before another call; undefined when it asks for none. */
export function secondsToWait({ headers }: Answer): number | undefined {
  const seconds = headers.get('retry-after');
  return seconds === null ? undefined : Number(seconds);
}
