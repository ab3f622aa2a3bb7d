/**
 * Remembers in the database what refused callers were promised, because their next request may reach another process. All requests that
 * arrive while a statement runs share the next statement, so a thousand refusals cost a few statements.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import {
  dropOldTickets,
  findKeyStates,
  keepTickets,
  type KeyState,
  type RefusableCall,
  type Ticket,
} from '../../db/admission.ts';
import type { Database } from '../../db/connection.ts';
import { withoutLogContext } from '../../process/log-context.ts';

/** Callers beyond this many get a time to come back, but no ticket. */
const MOST_TICKETS = 20_000;
const CALLS_IN_STATEMENT = 500;
const DROP_EVERY_MS = 10_000;
/** How long the reported rates of other processes are used. */
const RATES_COUNT_MS = 5_000;
/** How long a ticket is kept after its time. */
const KEPT_MS = 30_000;

interface Asked {
  call: RefusableCall;
  answer: PromiseWithResolvers<KeyState>;
}

const UNKNOWN: KeyState = { begun: false, dueInMs: null };

export class Tickets {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #operation: string;
  // Each map is by the caller and key of a call.
  readonly #asked = new Map<string, Asked>();
  #asking = false;
  readonly #unwritten = new Map<string, Ticket>();
  #writing = false;
  /** When each ticket that this process issued expires, oldest first. Limits their number. */
  readonly #outstanding = new Map<string, number>();
  #droppedAt = -Infinity;
  readonly #process = randomUUID();
  readonly #perSecond: () => number;
  #others: { perSecond: readonly number[]; until: number } = { perSecond: [], until: 0 };

  /**
   * @param operation the operation that the idempotency keys belong to.
   * @param perSecond the rate of this process, for the others.
   */
  constructor(database: Database, logger: Logger, operation: string, perSecond: () => number) {
    this.#database = database;
    this.#logger = logger;
    this.#operation = operation;
    this.#perSecond = perSecond;
  }

  /** The rate of each other process that is refusing orders for load. */
  get othersPerSecond(): readonly number[] {
    return performance.now() < this.#others.until ? this.#others.perSecond : [];
  }

  /** Resolves with what is known about a call. */
  find(call: RefusableCall): Promise<KeyState> {
    const name = nameOf(call);
    const asked = this.#asked.get(name) ?? { call, answer: Promise.withResolvers<KeyState>() };
    this.#asked.set(name, asked);
    if (!this.#asking) void this.#ask();
    return asked.answer.promise;
  }

  /** Does not wait until the ticket is written: the caller comes back a second later at the earliest. */
  give(call: RefusableCall, seconds: number): void {
    const name = nameOf(call);
    const now = performance.now();
    this.#outstanding.delete(name);
    if (this.#outstanding.size >= MOST_TICKETS) this.#forget(now);
    if (this.#outstanding.size >= MOST_TICKETS) return;
    this.#outstanding.set(name, now + seconds * 1_000 + KEPT_MS);
    this.#unwritten.set(name, { ...call, seconds });
    if (!this.#writing) void withoutLogContext(() => this.#write());
  }

  #forget(now: number): void {
    for (const [name, until] of this.#outstanding) if (until < now) this.#outstanding.delete(name);
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    while (this.#asked.size > 0) {
      // Everything that the event loop has ready goes into one statement.
      await new Promise(setImmediate);
      const batch = take(this.#asked, CALLS_IN_STATEMENT);
      try {
        const calls = batch.map(({ call }) => call);
        const found = await findKeyStates(this.#database, this.#operation, calls);
        for (const [place, { answer }] of batch.entries()) answer.resolve(found[place] ?? UNKNOWN);
      } catch (error) {
        for (const { answer } of batch) answer.reject(error);
      }
    }
    this.#asking = false;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#unwritten.size > 0) {
      await new Promise(setImmediate);
      try {
        const pace = { process: this.#process, perSecond: this.#perSecond() };
        const perSecond = await keepTickets(this.#database, take(this.#unwritten, CALLS_IN_STATEMENT), pace);
        this.#others = { perSecond, until: performance.now() + RATES_COUNT_MS };
        await this.#dropOld();
      } catch (error) {
        this.#logger.warn({ err: error }, 'could not keep the tickets of some refused callers');
      }
    }
    this.#writing = false;
  }

  async #dropOld(): Promise<void> {
    const now = performance.now();
    if (now - this.#droppedAt < DROP_EVERY_MS) return;
    this.#droppedAt = now;
    await dropOldTickets(this.#database);
  }
}

/** Takes the first values out of a map. */
function take<T>(from: Map<string, T>, most: number): T[] {
  const taken = [...from].slice(0, most);
  for (const [name] of taken) from.delete(name);
  return taken.map(([, value]) => value);
}

const nameOf = ({ caller, key }: RefusableCall): string => JSON.stringify([caller, key]);
