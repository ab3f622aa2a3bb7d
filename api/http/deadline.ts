import { setTimeout as sleep } from 'node:timers/promises';
import type { MiddlewareHandler } from 'hono';
import type { Logger } from 'pino';
import { REQUEST_LIMIT_MS } from '../../domain/timeouts.ts';
import { Problem } from '../problems/problem.ts';
import type { CheckServers } from '../reachability.ts';
import { describe } from './request-log.ts';

/** With the second that a check may take, a caller hears within 5 s that a server is away. */
const PATIENCE_MS = 3_500;
const CHECK_PAUSE_MS = 1_000;

/**
 * Answers `unavailable` when a request takes long and a server is away, or when it takes too long altogether. What the
 * request does goes on: it is bounded by the deadlines of its own calls, and a retry finds what came of it.
 */
export function deadline(checkServers: CheckServers, logger: Logger): MiddlewareHandler {
  return async function answerInTime(c, next) {
    const done = new AbortController();
    const work = next();
    const inTime = work.then(() => undefined);
    const problem = await Promise.race([inTime, reasonToGiveUp(done.signal)]).finally(() => done.abort());
    if (!problem) return;
    void work.then(() => reportFailure(c.error), reportFailure);
    throw problem;

    function reportFailure(error: unknown): void {
      if (error !== problem) logger.warn({ ...describe(c), err: error }, 'failed after it was answered');
    }
  };

  async function reasonToGiveUp(done: AbortSignal): Promise<Problem> {
    const limit = performance.now() + REQUEST_LIMIT_MS;
    await sleep(PATIENCE_MS, undefined, { signal: done });
    while (performance.now() < limit) {
      const problem = await checkServers();
      if (problem) return problem;
      await sleep(CHECK_PAUSE_MS, undefined, { signal: done });
    }
    return new Problem('unavailable', `The request was not done within ${REQUEST_LIMIT_MS} ms.`);
  }
}
