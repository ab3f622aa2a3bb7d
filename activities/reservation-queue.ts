/**
 * Group commit: the reservations of a SKU that wait in one worker are done in one statement, so that a SKU which everybody
 * buys costs one commit for many orders instead of a queue at its row's lock.
 */
import type { Database } from '../db/connection.ts';
import { gaveUp, isDatabaseUnavailable } from '../db/errors.ts';
import { reserve, reserveAll } from '../db/steps/reserve.ts';
import type { PlacedOrder, StepResult } from '../db/steps/step.ts';

/**
 * A line costs PostgreSQL 0.13 ms among 16, 0.08 among 64, 0.07 among 128 and hardly less beyond, where everybody would only
 * wait longer. 128 take 10 to 20 ms, so the statements of 50 workers can queue for a SKU within the lock time-out of 1 s.
 */
const MOST_LINES = 128;

interface Entry {
  order: PlacedOrder;
  skus: ReadonlySet<string>;
  answer: PromiseWithResolvers<StepResult>;
}

/**
 * One per worker. Each order runs at once unless a statement of this worker, or an order that came before it, has one of its
 * SKUs; so what shares no SKU never waits. Results and errors are those of {@link reserve}.
 */
export function groupReservations(database: Database): (order: PlacedOrder) => Promise<StepResult> {
  const groups = new Groups(database);
  return (order) => groups.reserve(order);
}

class Groups {
  readonly #database: Database;
  /** Of the statements that run; no two of them share one. */
  readonly #busy = new Set<string>();
  /** In order of arrival. */
  #waiting: Entry[] = [];
  /** Of the statements that run and of the orders that wait: who comes now and needs one of these has to wait. */
  #closed = new Set<string>();
  readonly #pending = new Map<string, Entry>();

  constructor(database: Database) {
    this.#database = database;
  }

  reserve(order: PlacedOrder): Promise<StepResult> {
    // A retry while the attempt before it is still here. One answer is for both, or they would pile up in an outage.
    const pending = this.#pending.get(order.orderId);
    if (pending) return this.#answerOf(pending, order);

    const skus = new Set(order.lines.map(({ sku }) => sku));
    const entry = { order, skus, answer: Promise.withResolvers<StepResult>() };
    this.#pending.set(order.orderId, entry);
    const mustWait = anyIn(skus, this.#closed);
    for (const sku of skus) this.#closed.add(sku);
    if (mustWait) this.#waiting.push(entry);
    else void this.#run([entry]);
    return entry.answer.promise;
  }

  async #answerOf({ order, answer }: Entry, again: PlacedOrder): Promise<StepResult> {
    // Another workflow of the order, which has to hear of the deadline that is recorded.
    if (order.paymentDeadline !== again.paymentDeadline)
      return answer.promise.then(
        () => this.reserve(again),
        () => this.reserve(again),
      );
    return answer.promise;
  }

  /** Never rejects, so that no SKU stays busy. */
  async #run(batch: readonly Entry[]): Promise<void> {
    const skus = batch.flatMap((entry) => [...entry.skus]);
    for (const sku of skus) this.#busy.add(sku);
    await this.#alone(batch.length > 1 ? await this.#together(batch) : batch);
    for (const sku of skus) this.#busy.delete(sku);

    const { batches, waiting, closed } = divide(this.#waiting, this.#busy);
    this.#waiting = waiting;
    this.#closed = closed;
    for (const next of batches) void this.#run(next);
  }

  /** Returns the orders that have to be run alone. */
  async #together(batch: readonly Entry[]): Promise<readonly Entry[]> {
    try {
      const orders = batch.map(({ order }) => order);
      const results = await reserveAll(this.#database, orders);
      const undecided = [];
      for (const entry of batch) {
        const result = results.get(entry.order.orderId);
        if (result) this.#end(entry).resolve(result);
        else undecided.push(entry);
      }
      return undecided;
    } catch (error) {
      // One order among many may be the cause, or that they are many.
      if (!isDatabaseUnavailable(error) || gaveUp(error)) return batch;
      for (const entry of batch) this.#end(entry).reject(error);
      return [];
    }
  }

  /**
   * One after the other, so that only those fail who are the cause. When PostgreSQL is away or a lock is not to be had, the
   * rest fail with the first of them and are retried: each might wait as long, and all buyers of their SKUs behind it.
   */
  async #alone(entries: readonly Entry[]): Promise<void> {
    for (const [index, entry] of entries.entries()) {
      try {
        const result = await reserve(this.#database, entry.order);
        this.#end(entry).resolve(result);
      } catch (error) {
        const isAway = isDatabaseUnavailable(error);
        for (const failed of isAway ? entries.slice(index) : [entry]) this.#end(failed).reject(error);
        if (isAway) return;
      }
    }
  }

  #end({ order, answer }: Entry): PromiseWithResolvers<StepResult> {
    this.#pending.delete(order.orderId);
    return answer;
  }
}

interface Division {
  /** Each in order of arrival, and no two with a SKU in common. */
  batches: Entry[][];
  /** Who goes on waiting. */
  waiting: Entry[];
  closed: Set<string>;
}

/** Who of those who wait can go now, together with whom. Nobody passes one who came first and shares a SKU with them. */
function divide(entries: readonly Entry[], busy: ReadonlySet<string>): Division {
  const closed = new Set(busy);
  const waiting: Entry[] = [];
  const going: Entry[] = [];
  const groups = new Map<string, { skus: Set<string>; lines: number; batch: Entry[] }>();
  for (const entry of entries) {
    const joined = new Set([...entry.skus].flatMap((sku) => groups.get(sku) ?? []));
    let lines = entry.skus.size;
    for (const group of joined) lines += group.lines;
    if (anyIn(entry.skus, closed) || (joined.size > 0 && lines > MOST_LINES)) {
      waiting.push(entry);
      for (const sku of entry.skus) closed.add(sku);
    } else {
      going.push(entry);
      const skus = new Set(
        [entry.skus, ...[...joined].map((group) => group.skus)].flatMap((part) => [...part]),
      );
      const group = { skus, lines, batch: [] };
      for (const sku of skus) groups.set(sku, group);
    }
  }
  for (const entry of going) {
    const [sku = ''] = entry.skus;
    groups.get(sku)?.batch.push(entry);
  }
  for (const sku of groups.keys()) closed.add(sku);
  const batches = new Set([...groups.values()].map(({ batch }) => batch));
  return { batches: [...batches], waiting, closed };
}

const anyIn = (skus: ReadonlySet<string>, others: ReadonlySet<string>): boolean =>
  [...skus].some((sku) => others.has(sku));
