/**
 * Admits as many new orders as can be answered within about two seconds. The others are refused before anything is claimed or started,
 * and are given a second in which there will be room for them. Retries of an admitted order are never refused.
 */
import type { Logger } from 'pino';
import type { RefusableCall } from '../../db/admission.ts';
import type { Database } from '../../db/connection.ts';
import { withoutLogContext } from '../../process/log-context.ts';
import { Problem } from '../problems/problem.ts';
import { AdmissionQueue, CallerGoneError, RefusedError, type Outcome, type Turn } from './admission-queue.ts';
import { ConcurrencyLimit, TARGET_MS } from './concurrency-limit.ts';
import { Stragglers, type Needs } from './stragglers.ts';
import { Tickets } from './tickets.ts';

/** The throughput of a small system. A new process has measured its own after half a second under load. */
const GUESS_PER_SECOND = 30;
const REPORT_EVERY_MS = 1_000;
/** A create that takes longer frees its slot. Twice what counts as slow: load alone hardly ever delays a create that much. */
const LATE_MS = 2 * TARGET_MS;
/** How many orders may wait at once for a row that is locked: enough to make progress soon after it is free. */
const MOST_BLOCKED = 20;

export interface Create {
  call: RefusableCall;
  needs: Needs;
  /** Fires when the caller hangs up. */
  gone: AbortSignal;
}

export interface CreateAdmission {
  /**
   * Runs `work` when its turn comes.
   * @param work calls `began` when it starts an order: a replayed answer says nothing about how busy the system is.
   * @throws {Problem} `overloaded`, without having called `work`.
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
  // For orders that would wait for a locked row, so that orders which do not need the row find free slots.
  const blockedQueue = new AdmissionQueue({
    limit: { value: MOST_BLOCKED, learn: () => {} },
    guessPerSecond: 1,
    knowsCallers: true,
  });
  const stragglers = new Stragglers();
  const tickets: Tickets = new Tickets(database, logger, operation, () => queue.state.perSecond);
  let refused = 0;

  async function enter({ call, needs, gone }: Create): Promise<Turn> {
    const line = stragglers.wouldBlock(needs) ? blockedQueue : queue;
    // The usual case costs nothing.
    if (line.hasRoom) return line.passAhead();
    const { begun, dueInMs } = await tickets.find(call);
    if (begun) return line.passAhead();
    try {
      return await line.enter(dueInMs === null ? undefined : performance.now() + dueInMs, gone);
    } catch (error) {
      if (error instanceof CallerGoneError) throw new Problem('overloaded', 'The caller hung up.');
      if (!(error instanceof RefusedError)) throw error;
      // A caller who comes back too early keeps its ticket.
      if (dueInMs === null || dueInMs <= 0) tickets.give(call, error.retryAfterS);
      throw refuse(error.retryAfterS);
    }
  }

  function refuse(retryAfter: number): Problem {
    if (refused === 0) withoutLogContext(() => setTimeout(report, REPORT_EVERY_MS).unref());
    refused += 1;
    const detail = `There are more orders than can be placed now. There will be room for this one in ${retryAfter} s.`;
    return new Problem('overloaded', detail, {}, { retryAfter });
  }

  function report(): void {
    logger.warn({ refused, ...queue.state }, 'refused new orders for load');
    refused = 0;
  }

  /** Sets an order aside once it is late. @returns a function to call when the order ends. */
  function watch(turn: Turn, needs: Needs): (outcome: Outcome) => void {
    const { startedAt } = turn;
    let rememberFailed = (): void => {};
    const timer = setTimeout(() => {
      turn.setAside();
      rememberFailed = stragglers.add(needs, startedAt);
    }, LATE_MS);
    return (outcome) => {
      clearTimeout(timer);
      const isQuick = performance.now() - startedAt < TARGET_MS;
      if (outcome === 'done') stragglers.recordPlaced(needs, { startedAt, isQuick });
      else rememberFailed();
      turn.end(outcome);
    };
  }

  return {
    async run(create, work) {
      const end = watch(await enter(create), create.needs);
      const order = { began: false };
      try {
        const result = await work(() => {
          order.began = true;
        });
        end(order.began ? 'done' : 'nothing');
        return result;
      } catch (error) {
        end(order.began ? 'failed' : 'nothing');
        throw error;
      }
    },
  };
}
