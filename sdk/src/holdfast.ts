/** The client: one method for each operation of the API, and what goes beyond one call. */
import createClient from 'openapi-fetch';
import { answersOf } from './calls.ts';
import { systemClock, type Clock } from './clock.ts';
import { followEvents, type FollowOptions } from './follow-events.ts';
import { operationsOf } from './generated/operations.ts';
import type { paths } from './generated/types.ts';
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

export type Holdfast = ReturnType<typeof createHoldfast>;

export function createHoldfast({
  address,
  key,
  shop,
  patience = PATIENCE_MS,
  timeout = TIMEOUT_MS,
  // Not bound at once: a program may replace it, as tests and tracing do.
  fetch = (to, init) => globalThis.fetch(to, init),
  clock = systemClock,
}: HoldfastOptions) {
  const connection = { address: address.replace(/\/+$/, ''), key, shop, fetch, clock, patience, timeout };
  const transport = createTransport(connection);
  const http = createClient<paths>({
    baseUrl: connection.address,
    fetch: (request) => transport(request, {}),
  });
  const operations = operationsOf(answersOf(http, transport));
  return {
    ...operations,
    /** Every event of the shop, in pages, as they come. Keep the `nextCursor` of each page that is done. */
    followEvents: (options: FollowOptions = {}) => followEvents(operations.listEvents, clock, options),
    /** Every event of an order, once and in order, as it happens; goes on by itself when the connection is lost. */
    stream: (orderId: string, options?: StreamOptions) => streamOrder(connection, orderId, options),
    /**
     * The layer below: `http.GET('/v1/skus/{sku}', ...)` resolves with `data` or `error`, and the `response` with its headers. It sends
     * the same credentials and keys, and repeats as the methods do.
     */
    http,
  };
}
