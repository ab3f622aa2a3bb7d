/** Everybody in this process who waits for events of an order. However many they are, PostgreSQL is asked once for all of them. */
import type { Logger } from 'pino';
import type { DatabasePool } from '../../db/connection.ts';
import { listenForEvents } from '../../db/events/listening.ts';
import { readOrderEvents } from '../../db/events/read.ts';
import type { PublishedEvent } from '../../domain/events.ts';
import { withoutLogContext } from '../../process/log-context.ts';

/** Orders of one query. They have few events each. */
const ORDERS_AT_ONCE = 200;
const RETRY_MS = 500;

interface Watcher {
  /** The version that it has heard of last. */
  after: number;
  hear: (event: PublishedEvent) => void;
}

export class Watchers {
  readonly #database: Pick<DatabasePool, 'listen' | 'run' | 'transaction'>;
  readonly #logger: Logger;
  readonly #checkMs: number | undefined;
  readonly #byOrder = new Map<string, Set<Watcher>>();
  /** Orders that may have events which their watchers have not heard of. */
  readonly #toRead = new Set<string>();
  #isReading = false;
  #stopListening: (() => void) | undefined;

  constructor(
    database: Pick<DatabasePool, 'listen' | 'run' | 'transaction'>,
    logger: Logger,
    checkMs?: number,
  ) {
    this.#database = database;
    this.#logger = logger;
    this.#checkMs = checkMs;
  }

  /**
   * Calls `hear` with each event of the order after this version, once and in order, those that were published before included.
   * @returns ends it.
   */
  watch(orderId: string, after: number, hear: (event: PublishedEvent) => void): () => void {
    const watcher: Watcher = { after, hear };
    const known = this.#byOrder.get(orderId);
    if (known) known.add(watcher);
    else this.#byOrder.set(orderId, new Set([watcher]));
    // Shared by all who watch.
    withoutLogContext(() => {
      this.#listen();
      this.#read([orderId]);
    });
    return () => {
      const watchers = this.#byOrder.get(orderId);
      if (!watchers?.delete(watcher) || watchers.size > 0) return;
      this.#byOrder.delete(orderId);
      if (this.#byOrder.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = undefined;
    };
  }

  #listen(): void {
    this.#stopListening ??= listenForEvents(
      this.#database,
      {
        news: (orderIds) => this.#read(orderIds),
        missed: () => this.#read(this.#byOrder.keys()),
        report: (error) => this.#logger.warn({ err: error }, 'could not listen for events, trying again'),
      },
      this.#checkMs,
    );
  }

  #read(orderIds: Iterable<string>): void {
    for (const id of orderIds) if (this.#byOrder.has(id)) this.#toRead.add(id);
    if (!this.#isReading && this.#toRead.size > 0) void this.#readAll();
  }

  /** One query at a time: what becomes known meanwhile is read by the next. */
  async #readAll(): Promise<void> {
    this.#isReading = true;
    try {
      while (this.#toRead.size > 0) {
        const orderIds = [...this.#toRead].slice(0, ORDERS_AT_ONCE);
        for (const id of orderIds) this.#toRead.delete(id);
        await this.#readSome(orderIds);
      }
    } finally {
      this.#isReading = false;
    }
  }

  async #readSome(orderIds: readonly string[]): Promise<void> {
    const positions = orderIds.flatMap((orderId) => {
      const watchers = this.#byOrder.get(orderId);
      return watchers ? [{ orderId, after: Math.min(...[...watchers].map(({ after }) => after)) }] : [];
    });
    try {
      for (const event of await readOrderEvents(this.#database, positions)) this.#tell(event);
    } catch (error) {
      this.#logger.warn({ err: error }, 'could not read events for streams, trying again');
      setTimeout(() => this.#read(orderIds), RETRY_MS).unref();
    }
  }

  #tell(event: PublishedEvent): void {
    const { orderId, version } = event.data;
    for (const watcher of this.#byOrder.get(orderId) ?? []) {
      if (version <= watcher.after) continue;
      watcher.after = version;
      watcher.hear(event);
    }
  }
}
