/** Answers every request in time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MiddlewareHandler } from 'hono';
import type { Logger } from 'pino';
import { REQUEST_LIMIT_MS, REQUEST_PATIENCE_MS } from '../../domain/timeouts.ts';
import { Problem } from '../problems/problem.ts';
import type { CheckServers } from '../reachability.ts';
import { describeRequest } from './request-log.ts';

const CHECK_PAUSE_MS = 1_000;

/**
 * Answers `unavailable` when a request is slow because a server does not answer, or when it takes too long altogether. The request's work
 * goes on, bounded by the deadlines of its own calls, and a retry finds its result.
 */
export function enforceDeadline(checkServers: CheckServers, logger: Logger): MiddlewareHandler {
  return async function answerInTime(c, next) {
    const done = new AbortController();
    const work = next();
    const inTime = work.then(() => undefined);
    const problem = await Promise.race([inTime, waitForReasonToGiveUp(done.signal)]).finally(() =>
      done.abort(),
    );
    if (!problem) return;
    void work.then(() => reportFailure(c.error), reportFailure);
    throw problem;

    function reportFailure(error: unknown): void {
      if (error !== problem)
        logger.warn({ ...describeRequest(c), err: error }, 'failed after it was answered');
    }
  };

  async function waitForReasonToGiveUp(done: AbortSignal): Promise<Problem> {
    const limit = performance.now() + REQUEST_LIMIT_MS;
    await sleep(REQUEST_PATIENCE_MS, undefined, { signal: done });
    while (performance.now() < limit) {
      const problem = await checkServers();
      if (problem) return problem;
      await sleep(CHECK_PAUSE_MS, undefined, { signal: done });
    }
    return new Problem('unavailable', `The request did not finish within ${REQUEST_LIMIT_MS} ms.`);
  }
}
