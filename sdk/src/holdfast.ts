/** The client: one method for each operation of the API, and what goes beyond one call. */
import createClient, { type Client } from 'openapi-fetch';
import { answersOf } from './calls.ts';
import { systemClock, type Clock } from './clock.ts';
import { followEvents, type FollowOptions } from './follow-events.ts';
import { operationsOf } from './generated/operations.ts';
import type { Event, EventPage, paths } from './generated/types.ts';
import { streamOrder, type StreamOptions } from './stream.ts';
import { createTransport, type Fetch, type Key } from './transport.ts';

/** More than Holdfast takes for its slowest answer. */
const TIMEOUT_MS = 20_000;
const PATIENCE_MS = 30_000;

export interface HoldfastOptions {
  /** Such as `https://orders.example.com`. */
  address: string;
  /** An API key, a token, or a function that returns the current one. */
  key: Key;
  /** The shop to work in, for credentials of the whole installation. */
  shop?: string;
  /** Milliseconds until no further attempt of a call is made; 30,000 unless given. */
  patience?: number;
  /** Milliseconds for one attempt; 20,000 unless given. */
  timeout?: number;
  /** Sends instead of the global `fetch`. */
  fetch?: Fetch;
  /** For tests. */
  clock?: Clock;
}

/** One method for each operation, and these. */
export interface Holdfast extends ReturnType<typeof operationsOf> {
  /**
   * Every event of an order, once and in order, as it happens: the stream goes on by itself when the connection is lost. It ends with
   * the order's last event.
   */
  stream: (orderId: string, options?: StreamOptions) => AsyncGenerator<Event, void, undefined>;
  /** Every event of the shop, in pages, as they come. Keep the `nextCursor` of each page that is done. */
  followEvents: (options?: FollowOptions) => AsyncGenerator<EventPage, never, undefined>;
  /**
   * The layer below: `http.GET('/v1/skus/{sku}', ...)` resolves with `data` or `error`, and the `response` with its headers. It sends
   * the same credentials and keys, and repeats as the methods do.
   */
  http: Client<paths>;
}

export function createHoldfast({
  address,
  key,
  shop,
  patience = PATIENCE_MS,
  timeout = TIMEOUT_MS,
  // Not bound at once: a program may replace it, as tests and tracing do.
  fetch = (to, init) => globalThis.fetch(to, init),
  clock = systemClock,
}: HoldfastOptions): Holdfast {
  const connection = { address: address.replace(/\/+$/, ''), key, shop, fetch, clock, patience, timeout };
  const transport = createTransport(connection);
  const http = createClient<paths>({
    baseUrl: connection.address,
    fetch: (request) => transport(request, {}),
  });
  const operations = operationsOf(answersOf(http, transport));
  return {
    ...operations,
    stream: (orderId, options) => streamOrder(connection, orderId, options),
    followEvents: (options = {}) => followEvents(operations.listEvents, clock, options),
    http,
  };
}
