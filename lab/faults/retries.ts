/** Sends a request as a careful program does: with a time-out, and again, with the same key, until the answer is final. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Send } from '../../api/client.ts';
import type { Tries } from './figures.ts';
import { randomFrom } from '../../dev/random.ts';

/** For a {@link Send}: a time-out counts as no answer. */
export const TIMEOUT_MS = 8_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** Whatever the problem, the same request may get another answer later. */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 429, 503]);
/** Problems that the API keeps under no key: the same request may get another answer later. */
const NOT_FINAL: ReadonlySet<string> = new Set(['idempotency_in_progress', 'order_busy', 'refund_pending']);

const problem = z.looseObject({ code: z.string().optional() });

interface Reply {
  response: Response;
  /** Of a problem. */
  code: string | undefined;
}

export const noTries = (): Tries => ({
  calls: 0,
  requests: 0,
  timeouts: 0,
  brokenConnections: 0,
  tryAgain: 0,
  internalErrors: 0,
});

/**
 * Answers with the final response of each request; sending it again would bring no other.
 * @param tries counts what callers meet on the way.
 * @param signal ends the run: every request then throws.
 */
export function withRetries(
  send: Send,
  { tries, seed, signal }: { tries: Tries; seed: number; signal: AbortSignal },
): Send {
  const random = randomFrom(seed, 'pauses of callers');

  /** Undefined when no whole answer arrived. */
  async function sendOnce(path: string, init: RequestInit): Promise<Reply | undefined> {
    tries.requests += 1;
    try {
      const response = await send(path, { ...init, signal });
      const text = await response.text();
      return { response: new Response(text, response), code: problem.parse(JSON.parse(text)).code };
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') tries.timeouts += 1;
      else tries.brokenConnections += 1;
      return undefined;
    }
  }

  function isFinal({ response: { status }, code }: Reply): boolean {
    if (status === 500) tries.internalErrors += 1;
    const tryAgain = TRY_AGAIN.has(status) || (code !== undefined && NOT_FINAL.has(code));
    if (tryAgain) tries.tryAgain += 1;
    return status < 500 && !tryAgain;
  }

  return async (path, init) => {
    tries.calls += 1;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      signal.throwIfAborted();
      const reply = await sendOnce(path, init);
      if (reply && isFinal(reply)) return reply.response;
      const asked = 1_000 * Number(reply?.response.headers.get('retry-after') ?? 0);
      // Callers that failed together must not come back together, nor before they were asked to.
      await delay(asked + pause * random.between(0.5, 1), undefined, { signal });
    }
  };
}
