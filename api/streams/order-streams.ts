/** The streams that this process has open, each about one order, and when each of them ends. */
import type { Logger } from 'pino';
import type { DatabasePool } from '../../db/connection.ts';
import { isFinal, type PublishedEvent } from '../../domain/events.ts';
import { Problem } from '../problems/problem.ts';
import { serverSent } from './server-sent.ts';
import { Watchers } from './watchers.ts';

/** In milliseconds. */
export interface StreamTimes {
  /** Less than the minute after which proxies take a silent connection for dead. */
  beat: number;
  /** How long credentials are taken to be valid. */
  checkCaller: number;
  /** A stream ends after this time: a caller who still needs it comes back, perhaps to a process with fewer of them. */
  most: number;
  /** How long the last event of an order that has ended is waited for, until it is published. */
  last: number;
  /** How often PostgreSQL is asked for what a lost notification was about. */
  checkNews?: number;
}

export const STREAM_TIMES: StreamTimes = {
  beat: 15_000,
  checkCaller: 60_000,
  most: 1_800_000,
  last: 30_000,
};
/** So that those who came at once do not come back at once. */
const MOST_VARIES_BY = 0.2;
/** About 30 KB each. */
export const MOST_STREAMS = 2_000;
/** Of one buyer: a few windows. */
const MOST_OF_BUYER = 20;
/** Seconds until it makes sense to ask for a stream again. */
const RETRY_AFTER_S = 5;

export interface OrderStream {
  orderId: string;
  /** The version that the caller has heard of last; 0 for none. */
  after: number;
  /** Whether the order has ended, so that no event comes but those that are recorded. */
  hasEnded: boolean;
  /** A buyer, who may have few streams; undefined for others. */
  buyer: string | undefined;
  /** Whether the caller may still read. Fails when that cannot be known. */
  isAllowed: () => Promise<boolean>;
}

export interface StreamOptions {
  /** Streams of this process at once. */
  mostStreams?: number | undefined;
  streamTimes?: StreamTimes | undefined;
  /** Ends all streams when it fires. */
  stopping?: AbortSignal | undefined;
}

export class OrderStreams {
  readonly #watchers: Watchers;
  readonly #times: StreamTimes;
  readonly #most: number;
  readonly #stopping: AbortSignal | undefined;
  /** What ends each. */
  readonly #open = new Set<() => void>();
  readonly #ofBuyer = new Map<string, number>();

  constructor(
    database: DatabasePool,
    logger: Logger,
    { mostStreams = MOST_STREAMS, streamTimes = STREAM_TIMES, stopping }: StreamOptions = {},
  ) {
    this.#watchers = new Watchers(database, logger, streamTimes.checkNews);
    this.#times = streamTimes;
    this.#most = mostStreams;
    this.#stopping = stopping;
    stopping?.addEventListener('abort', () => {
      for (const end of this.#open) end();
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * The body of the answer. It ends after the order's last event, after some time, when the caller may no longer read it, and when the
   * process stops.
   * @throws {Problem} `overloaded` when there are too many, and `stopping`.
   */
  open({ orderId, after, hasEnded, buyer, isAllowed }: OrderStream): ReadableStream<Uint8Array> {
    this.#requireRoom(buyer);
    const { beat, checkCaller, most, last } = this.#times;
    const stream = serverSent(() => {
      stopWatching();
      for (const timer of timers) clearInterval(timer);
      this.#open.delete(stream.end);
      this.#count(buyer, -1);
    });
    const tell = (event: PublishedEvent): void => {
      stream.send({ id: event.data.version, event: event.type, data: event });
      if (isFinal(event.data.stage)) stream.end();
    };
    const check = (): void => {
      isAllowed().then(
        (allowed) => {
          if (!allowed) stream.end();
        },
        // Nobody knows. The next check may, and the stream ends in time.
        () => {},
      );
    };
    const lasts = hasEnded ? last : most * (1 - MOST_VARIES_BY * Math.random());
    const timers = [
      setInterval(stream.beat, beat),
      setInterval(check, checkCaller),
      setTimeout(stream.end, lasts),
    ].map((timer) => timer.unref());
    this.#open.add(stream.end);
    this.#count(buyer, 1);
    const stopWatching = this.#watchers.watch(orderId, after, tell);
    return stream.body;
  }

  #requireRoom(buyer: string | undefined): void {
    if (this.#stopping?.aborted) throw new Problem('stopping', 'This process ends its streams.');
    if (this.#open.size >= this.#most)
      throw new Problem(
        'overloaded',
        `This process has ${this.#most} streams open.`,
        {},
        { retryAfter: RETRY_AFTER_S },
      );
    if (buyer !== undefined && (this.#ofBuyer.get(buyer) ?? 0) >= MOST_OF_BUYER)
      throw new Problem(
        'overloaded',
        `A buyer can have ${MOST_OF_BUYER} streams open at once.`,
        {},
        { retryAfter: RETRY_AFTER_S },
      );
  }

  #count(buyer: string | undefined, more: 1 | -1): void {
    if (buyer === undefined) return;
    const count = (this.#ofBuyer.get(buyer) ?? 0) + more;
    if (count === 0) this.#ofBuyer.delete(buyer);
    else this.#ofBuyer.set(buyer, count);
  }
}
