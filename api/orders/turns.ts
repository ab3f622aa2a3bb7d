/**
 * Makes the commands of one order take turns before they go to its workflow. Temporal accepts ten updates of a workflow at once, and one
 * more also fails the workflow task under way: a crowd of payments would lock out cancels and operators.
 */
import type { Caller } from '../../domain/access.ts';
import { Problem } from '../problems/problem.ts';

export interface Turns {
  /**
   * Runs `work` once fewer than `atOnce` others with this key run in this process, and passes it the milliseconds it waited.
   * @throws {Problem} `order_busy` if its turn does not come within {@link TURN_WAIT_MS}.
   */
  take<T>(key: string, work: (waitedMs: number) => Promise<T>): Promise<T>;
}

/** Enough for some tens of payments when all is well. The rest of the request's time is for the work itself. */
export const TURN_WAIT_MS = 2_000;

export function createTurns(atOnce: number, waitMs = TURN_WAIT_MS): Turns {
  /** What is running and what is waiting, by key. */
  const lines = new Map<string, { running: number; queue: (() => void)[] }>();

  function enter(key: string): Promise<void> {
    const line = lines.get(key) ?? { running: 0, queue: [] };
    lines.set(key, line);
    const { queue } = line;
    if (line.running < atOnce) {
      line.running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(go), 1);
        reject(new Problem('order_busy', `Other commands of this order took longer than ${waitMs} ms.`));
      }, waitMs);
      const go = (): void => {
        clearTimeout(timer);
        resolve();
      };
      queue.push(go);
    });
  }

  function leave(key: string): void {
    const line = lines.get(key);
    if (!line) return;
    const next = line.queue.shift();
    // The next one inherits the slot.
    if (next) return next();
    line.running -= 1;
    if (line.running === 0) lines.delete(key);
  }

  return {
    async take(key, work) {
      const begun = performance.now();
      await enter(key);
      try {
        return await work(performance.now() - begun);
      } finally {
        leave(key);
      }
    },
  };
}

/** The line of an order's commands. Callers who cannot reach an order wait in a line of their own, and hold up nobody who can. */
export const lineOf = ({ shop, buyer }: Caller, orderId: string): string => [shop, orderId, buyer].join(' ');
