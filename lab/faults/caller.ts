/** Calls the API as a careful program does: time-outs, and the same request with the same key until there is a final answer. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Tries } from './figures.ts';
import { randomFrom } from './random.ts';

const TIMEOUT_MS = 8_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** Problems that the API keeps under no key: the same request may be answered otherwise later. */
const AGAIN: ReadonlySet<string> = new Set(['idempotency_in_progress', 'order_busy', 'refund_pending']);

const answerBody = z.looseObject({
  id: z.string().optional(),
  orderId: z.string().optional(),
  stage: z.string().optional(),
  paymentDeadline: z.string().optional(),
  code: z.string().optional(),
});

/** A final one: sending the request again brings no other. */
export interface Answer {
  status: number;
  body: z.output<typeof answerBody>;
}

interface Reply extends Answer {
  /** Milliseconds that the server asks to wait before another try, 0 when it does not say. */
  retryAfter: number;
}

export interface Request {
  path: string;
  key: string;
  body?: object;
}

export interface Callers {
  readonly tries: Tries;
  /** @throws when the run ends first. */
  post(request: Request): Promise<Answer>;
  /** @throws when the run ends first. */
  put(path: string, body: object): Promise<Answer>;
}

export function openCallers(apiUrl: string, seed: number, signal: AbortSignal): Callers {
  const random = randomFrom(seed, 'pauses of callers');
  const tries: Tries = {
    calls: 0,
    requests: 0,
    timeouts: 0,
    brokenConnections: 0,
    tryAgain: 0,
    internalErrors: 0,
  };

  async function persist(path: string, init: RequestInit): Promise<Answer> {
    tries.calls += 1;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      signal.throwIfAborted();
      const reply = await once(path, init);
      if (reply && isFinal(reply)) return { status: reply.status, body: reply.body };
      // Callers that failed together must not come back together, nor before they were asked to.
      await delay((reply?.retryAfter ?? 0) + pause * random.between(0.5, 1), undefined, { signal });
    }
  }

  async function once(path: string, init: RequestInit): Promise<Reply | undefined> {
    tries.requests += 1;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const answer = await fetch(`${apiUrl}${path}`, { ...init, signal: AbortSignal.any([timeout, signal]) });
      const retryAfter = 1_000 * Number(answer.headers.get('retry-after') ?? 0);
      return { status: answer.status, body: answerBody.parse(await answer.json()), retryAfter };
    } catch {
      if (timeout.aborted) tries.timeouts += 1;
      else tries.brokenConnections += 1;
      return undefined;
    }
  }

  function isFinal({ status, body }: Answer): boolean {
    if (status === 500) tries.internalErrors += 1;
    const tryAgain = status === 503 || (body.code !== undefined && AGAIN.has(body.code));
    if (tryAgain) tries.tryAgain += 1;
    return status < 500 && !tryAgain;
  }

  const json = { 'content-type': 'application/json' };
  return {
    tries,
    post: ({ path, key, body }) =>
      persist(path, {
        method: 'POST',
        headers: { 'idempotency-key': key, ...(body && json) },
        ...(body && { body: JSON.stringify(body) }),
      }),
    put: (path, body) => persist(path, { method: 'PUT', headers: json, body: JSON.stringify(body) }),
  };
}
