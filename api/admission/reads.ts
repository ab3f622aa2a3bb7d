/** Limits reads: however many arrive at once, they leave half of the connections to everything else. */
import type { MiddlewareHandler } from 'hono';
import type { DatabasePool } from '../../db/connection.ts';
import { Problem } from '../problems/problem.ts';
import { AdmissionQueue, CallerGoneError, RefusedError } from './admission-queue.ts';

/** The list pages per second of a small system. A new process has measured its own rate after half a second under load. */
const GUESS_PER_SECOND = 200;

/** Each read uses one connection at a time. A read that could not be answered within about two seconds is refused at once. */
export function admitReads({ connections }: Pick<DatabasePool, 'connections'>): MiddlewareHandler {
  const queue = new AdmissionQueue({
    limit: { value: Math.ceil(connections / 2), learn: () => {} },
    guessPerSecond: GUESS_PER_SECOND,
    // A read has no key by which it could be recognised when it comes back.
    knowsCallers: false,
  });
  return async function admitRead(c, next) {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return next();
    const turn = queue.hasRoom
      ? queue.passAhead()
      : await queue.enter(undefined, c.req.raw.signal).catch((error: unknown) => {
          throw toRefusal(error);
        });
    try {
      await next();
    } finally {
      turn.end(c.res.status < 500 ? 'done' : 'failed');
    }
  };
}

function toRefusal(error: unknown): unknown {
  if (error instanceof CallerGoneError) return new Problem('overloaded', 'The caller hung up.');
  if (!(error instanceof RefusedError)) return error;
  const { retryAfterS: retryAfter } = error;
  const detail = `There are more reads than can be answered now. There will be room in ${retryAfter} s.`;
  return new Problem('overloaded', detail, {}, { retryAfter });
}
