/** Simulates a system with a fixed throughput in virtual time, and its callers. */
import { vi } from 'vitest';
import { AdmissionQueue, RefusedError } from '../../api/admission/admission-queue.ts';
import { ConcurrencyLimit } from '../../api/admission/concurrency-limit.ts';

export interface Admitted {
  /** How many requests the caller sent. */
  attempts: number;
  /** From the caller's last request to its answer. */
  ms: number;
  endedAt: number;
}

const nobodyHangsUp = new AbortController().signal;

export const newQueue = (limit = new ConcurrencyLimit()): AdmissionQueue =>
  new AdmissionQueue({ limit, guessPerSecond: 30, knowsCallers: true });

/** The queues of processes that know each other's rate. */
export function newQueues(count: number): AdmissionQueue[] {
  const queues: AdmissionQueue[] = Array.from({ length: count }, (_, index) => {
    const others = () => queues.filter((__, other) => other !== index).map(({ state }) => state.perSecond);
    const limit = new ConcurrencyLimit();
    return new AdmissionQueue({ limit, guessPerSecond: 30, knowsCallers: true, othersPerSecond: others });
  });
  return queues;
}

export class VirtualServer {
  /** Requests per second. */
  rate: number;
  #freeAt = 0;
  #random = 1;
  #turn = 0;

  constructor(rate: number) {
    this.rate = rate;
  }

  /** Sends requests until one is admitted, each when the queue asks for it. The requests go to the queues in turn. */
  async obey(queues: readonly AdmissionQueue[]): Promise<Admitted> {
    let promisedAt: number | undefined;
    for (let attempts = 1; ; attempts += 1) {
      const askedAt = performance.now();
      const queue = queues[this.#turn++ % queues.length];
      if (queue === undefined) throw new Error('There is no queue.');
      try {
        const turn = await queue.enter(promisedAt, nobodyHangsUp);
        await this.#work();
        turn.end('done');
        return { attempts, ms: performance.now() - askedAt, endedAt: performance.now() };
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        promisedAt = performance.now() + error.retryAfterS * 1_000;
        await pause(error.retryAfterS * 1_000);
      }
    }
  }

  /** Runs callers that each send another request as soon as one is answered. */
  keepBusy(queues: readonly AdmissionQueue[], callers: number, whileTrue: () => boolean): Promise<unknown> {
    return Promise.all(
      Array.from({ length: callers }, async () => {
        while (whileTrue()) await this.obey(queues);
      }),
    );
  }

  async #work(): Promise<void> {
    const now = performance.now();
    this.#freeAt = Math.max(this.#freeAt, now) + (1_000 / this.rate) * (0.3 + 1.4 * this.#next());
    await pause(Math.max(this.#freeAt - now, 40));
  }

  /** Yields the same numbers in every run. */
  #next(): number {
    this.#random = (this.#random * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return this.#random / 2 ** 32;
  }
}

/** Not `setTimeout` of node:timers, which stays in real time. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Advances virtual time until the promise resolves. */
export async function inVirtualTime<T>(promise: Promise<T>): Promise<T> {
  const state = { ended: false };
  const ended = promise.finally(() => {
    state.ended = true;
  });
  while (!state.ended) await vi.advanceTimersByTimeAsync(100);
  return ended;
}
