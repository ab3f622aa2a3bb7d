/**
 * Group commit: the reservations of a SKU that wait in one worker go into one statement, so that a SKU that everybody buys costs one
 * commit for many orders instead of a queue for its row's lock.
 */
import { MAIN_SHOP } from '../domain/shops.ts';
import type { Database } from '../db/connection.ts';
import { gaveUp, isDatabaseUnavailable } from '../db/errors.ts';
import { reserve, reserveAll } from '../db/steps/reserve.ts';
import type { PlacedOrder, StepResult } from '../db/steps/step.ts';

/**
 * A line costs PostgreSQL 0.13 ms among 16, 0.08 among 64, 0.07 among 128 and hardly less beyond, where all orders would only wait
 * longer. 128 take 10 to 20 ms, so the statements of 50 workers can queue for a SKU within the lock time-out of 1 s.
 */
const MOST_LINES = 128;

interface Entry {
  order: PlacedOrder;
  /** With their shop: another shop's SKU of the same code is another SKU. */
  skus: ReadonlySet<string>;
  answer: PromiseWithResolvers<StepResult>;
}

/** The statements that the queue sends. The benchmark measures others, too. */
interface Statements {
  reserve: typeof reserve;
  reserveAll: typeof reserveAll;
}

/**
 * Creates a queue, one per worker. Each order runs at once unless a statement of this worker, or an earlier order, needs one of its
 * SKUs; so orders that share no SKU never wait for one another. Results and errors are those of {@link reserve}.
 */
export function groupReservations(
  database: Database,
  statements: Statements = { reserve, reserveAll },
): (order: PlacedOrder) => Promise<StepResult> {
  const queue = new ReservationQueue(database, statements);
  return (order) => queue.add(order);
}

class ReservationQueue {
  readonly #database: Database;
  readonly #statements: Statements;
  /** The SKUs of the statements under way; no two of them share one. */
  readonly #busy = new Set<string>();
  /** In order of arrival. */
  #waiting: Entry[] = [];
  /** The SKUs of the statements under way and of the orders that wait: a new order that needs one of these must wait. */
  #closed = new Set<string>();
  readonly #pending = new Map<string, Entry>();

  constructor(database: Database, statements: Statements) {
    this.#database = database;
    this.#statements = statements;
  }

  add(order: PlacedOrder): Promise<StepResult> {
    // A retry while the previous attempt is still here. Both get one answer, or retries would pile up in an outage.
    const pending = this.#pending.get(order.orderId);
    if (pending) return this.#join(pending, order);

    const { shopId = MAIN_SHOP, lines } = order;
    const skus = new Set(lines.map(({ sku }) => `${shopId}/${sku}`));
    const entry = { order, skus, answer: Promise.withResolvers<StepResult>() };
    this.#pending.set(order.orderId, entry);
    const mustWait = overlap(skus, this.#closed);
    for (const sku of skus) this.#closed.add(sku);
    if (mustWait) this.#waiting.push(entry);
    else void this.#run([entry]);
    return entry.answer.promise;
  }

  async #join({ order, answer }: Entry, again: PlacedOrder): Promise<StepResult> {
    if (order.paymentDeadline === again.paymentDeadline) return answer.promise;
    // Another workflow of the order, which must learn the recorded deadline.
    return answer.promise.then(
      () => this.add(again),
      () => this.add(again),
    );
  }

  /** Never rejects, so that no SKU stays busy. */
  async #run(batch: readonly Entry[]): Promise<void> {
    const skus = batch.flatMap((entry) => [...entry.skus]);
    for (const sku of skus) this.#busy.add(sku);
    await this.#runOneByOne(batch.length > 1 ? await this.#runTogether(batch) : batch);
    for (const sku of skus) this.#busy.delete(sku);

    const { batches, waiting } = divide(this.#waiting, this.#busy);
    this.#waiting = waiting;
    this.#closed = new Set([
      ...this.#busy,
      ...[...batches.flat(), ...waiting].flatMap((entry) => [...entry.skus]),
    ]);
    for (const next of batches) void this.#run(next);
  }

  /** Returns the orders that must run alone. */
  async #runTogether(batch: readonly Entry[]): Promise<readonly Entry[]> {
    try {
      const orders = batch.map(({ order }) => order);
      const results = await this.#statements.reserveAll(this.#database, orders);
      const undecided = [];
      for (const entry of batch) {
        const result = results.get(entry.order.orderId);
        if (result) this.#settle(entry).resolve(result);
        else undecided.push(entry);
      }
      return undecided;
    } catch (error) {
      // The cause may be one order among many, or their number.
      if (!isDatabaseUnavailable(error) || gaveUp(error)) return batch;
      for (const entry of batch) this.#settle(entry).reject(error);
      return [];
    }
  }

  /**
   * One order after the other, so that only those at fault fail. When PostgreSQL or a lock is unavailable, the rest fail with the first
   * of them and are retried: each might wait as long, and keep all buyers of its SKUs waiting.
   */
  async #runOneByOne(entries: readonly Entry[]): Promise<void> {
    for (const [index, entry] of entries.entries()) {
      try {
        const result = await this.#statements.reserve(this.#database, entry.order);
        this.#settle(entry).resolve(result);
      } catch (error) {
        const isUnavailable = isDatabaseUnavailable(error);
        for (const failed of isUnavailable ? entries.slice(index) : [entry])
          this.#settle(failed).reject(error);
        if (isUnavailable) return;
      }
    }
  }

  #settle({ order, answer }: Entry): PromiseWithResolvers<StepResult> {
    this.#pending.delete(order.orderId);
    return answer;
  }
}

/** SKUs of orders that share some, directly or through one another, so that they go into one statement. */
interface Group {
  skus: ReadonlySet<string>;
  lines: number;
}

/**
 * Divides the waiting orders into batches that can run now, no two of which share a SKU, and those that go on waiting. Both keep the
 * order of arrival: no order passes an earlier one that shares a SKU with it.
 */
function divide(
  entries: readonly Entry[],
  busy: ReadonlySet<string>,
): { batches: Entry[][]; waiting: Entry[] } {
  const closed = new Set(busy);
  const waiting: Entry[] = [];
  const going: Entry[] = [];
  const groupOf = new Map<string, Group>();
  for (const entry of entries) {
    const joined = new Set([...entry.skus].flatMap((sku) => groupOf.get(sku) ?? []));
    const lines = [...joined].reduce((sum, group) => sum + group.lines, entry.skus.size);
    if (overlap(entry.skus, closed) || (joined.size > 0 && lines > MOST_LINES)) {
      waiting.push(entry);
      for (const sku of entry.skus) closed.add(sku);
    } else {
      going.push(entry);
      const group = { skus: new Set([entry, ...joined].flatMap(({ skus }) => [...skus])), lines };
      for (const sku of group.skus) groupOf.set(sku, group);
    }
  }
  const batches = Map.groupBy(going, ({ skus: [sku = ''] }) => groupOf.get(sku));
  return { batches: [...batches.values()], waiting };
}

const overlap = (skus: ReadonlySet<string>, others: ReadonlySet<string>): boolean =>
  [...skus].some((sku) => others.has(sku));
