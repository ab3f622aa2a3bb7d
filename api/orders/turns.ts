/**
 * Lets commands of one order take turns before they are sent to its workflow. Temporal takes ten updates of a workflow at once, and one
 * more also costs the order its task under way: a crowd of payments would shut out cancel and operators.
 */
import { Problem } from '../problems/problem.ts';

export interface Turns {
  /**
   * Runs `work`, which hears how many milliseconds it has waited, when fewer than `atOnce` other works with this key run in this process.
   * @throws {Problem} `order_busy` when its turn does not come within {@link TURN_WAIT_MS}.
   */
  take<T>(key: string, work: (waitedMs: number) => Promise<T>): Promise<T>;
}

/** Some tens of payments when all is well. What is left of the request's time is for the work. */
export const TURN_WAIT_MS = 2_000;

export function createTurns(atOnce: number, waitMs = TURN_WAIT_MS): Turns {
  /** What runs and what waits, by key. */
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
    // Whoever is next takes the place over.
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
