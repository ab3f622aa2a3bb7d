/** A system in virtual time that does so many things a second, one after the other, and callers who want one of them each. */
import { vi } from 'vitest';
import { AdmissionQueue, RefusedError } from '../../api/admission/admission-queue.ts';
import { ConcurrencyLimit } from '../../api/admission/concurrency-limit.ts';

export interface Admitted {
  /** How often the caller asked. */
  attempts: number;
  /** From its last request to its answer. */
  ms: number;
  endedAt: number;
}

const nobodyHangsUp = new AbortController().signal;

export const newQueue = (limit = new ConcurrencyLimit()): AdmissionQueue =>
  new AdmissionQueue({ limit, guessPerSecond: 30, knowsCallers: true });

/** Queues of processes that hear of each other's pace. */
export function newQueues(count: number): AdmissionQueue[] {
  const queues: AdmissionQueue[] = Array.from({ length: count }, (_, index) => {
    const others = () => queues.filter((__, other) => other !== index).map(({ state }) => state.perSecond);
    const limit = new ConcurrencyLimit();
    return new AdmissionQueue({ limit, guessPerSecond: 30, knowsCallers: true, othersPerSecond: others });
  });
  return queues;
}

export class VirtualServer {
  /** Things a second. */
  rate: number;
  #freeAt = 0;
  #random = 1;
  #turn = 0;

  constructor(rate: number) {
    this.rate = rate;
  }

  /** Asks until it is let in, as often and whenever it is told to. Its requests take turns among the queues. */
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

  /** Callers who each want another thing as soon as they have one. */
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

  /** The same numbers in every run. */
  #next(): number {
    this.#random = (this.#random * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return this.#random / 2 ** 32;
  }
}

/** Not the one of node:timers, which keeps to real time. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets virtual time pass until the promise resolves. */
export async function inVirtualTime<T>(promise: Promise<T>): Promise<T> {
  const state = { ended: false };
  const ended = promise.finally(() => {
    state.ended = true;
  });
  while (!state.ended) await vi.advanceTimersByTimeAsync(100);
  return ended;
}
