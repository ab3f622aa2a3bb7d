/**
 * Lets in as many new orders as can be answered within about two seconds. The others are refused before anything is claimed
 * or begun, with a second in which there will be room for them. Retries of an order that was let in are never refused.
 */
import type { Logger } from 'pino';
import type { Database } from '../../db/connection.ts';
import { Problem } from '../problems.ts';
import { AdmissionQueue, CallerGoneError, RefusedError, type Outcome, type Turn } from './admission-queue.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { Tickets } from './tickets.ts';

/** What a small system does. A fresh process knows better after half a second under load. */
const GUESS_PER_SECOND = 30;
const REPORT_EVERY_MS = 1_000;

export interface Create {
  /** The idempotency key. */
  key: string;
  /** Fires when its caller hangs up. */
  gone: AbortSignal;
}

export interface CreateAdmission {
  /**
   * Runs `work` when it is its turn.
   * @param work calls `began` when it begins an order: a replayed answer says nothing about how busy the system is.
   * @throws {Problem} `overloaded`; then `work` was not called.
   */
  run<T>(create: Create, work: (began: () => void) => Promise<T>): Promise<T>;
}

export function admitCreates(database: Database, logger: Logger, operation: string): CreateAdmission {
  const queue: AdmissionQueue = new AdmissionQueue({
    limit: new ConcurrencyLimit(),
    guessPerSecond: GUESS_PER_SECOND,
    knowsCallers: true,
    othersPerSecond: () => tickets.othersPerSecond,
  });
  const tickets: Tickets = new Tickets(database, logger, operation, () => queue.state.perSecond);
  let refused = 0;

  async function enter({ key, gone }: Create): Promise<Turn> {
    // The usual case costs nothing.
    if (queue.hasRoom) return queue.passAhead();
    const { begun, dueInMs } = await tickets.find(key);
    if (begun) return queue.passAhead();
    try {
      return await queue.enter(dueInMs === null ? undefined : performance.now() + dueInMs, gone);
    } catch (error) {
      if (error instanceof CallerGoneError) throw new Problem('overloaded', 'The caller hung up.');
      if (!(error instanceof RefusedError)) throw error;
      // Who comes too early keeps the place it has.
      if (dueInMs === null || dueInMs <= 0) tickets.give(key, error.retryAfterS);
      throw refusal(error.retryAfterS);
    }
  }

  function refusal(retryAfter: number): Problem {
    if (refused === 0) setTimeout(report, REPORT_EVERY_MS).unref();
    refused += 1;
    const detail = `More orders are asked for than can be placed now. There is room for this one in ${retryAfter} s.`;
    return new Problem('overloaded', detail, {}, { retryAfter });
  }

  function report(): void {
    logger.warn({ refused, ...queue.state }, 'refused new orders for load');
    refused = 0;
  }

  return {
    async run(create, work) {
      const turn = await enter(create);
      const order = { began: false };
      const outcomeOf = (outcome: Outcome): Outcome => (order.began ? outcome : 'nothing');
      try {
        const result = await work(() => {
          order.began = true;
        });
        turn.end(outcomeOf('done'));
        return result;
      } catch (error) {
        turn.end(outcomeOf('failed'));
        throw error;
      }
    },
  };
}
