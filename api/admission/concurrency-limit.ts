/** How many requests may be worked on at once, learned from how long they take. */

/**
 * What a create may take once it was begun. With the time that it may wait before (see {@link AdmissionQueue}), its caller
 * hears within about 2 s. Well above what a create takes when all is well (40 ms), so only a queue further down exceeds it.
 */
export const TARGET_MS = 1_000;
/** Enough to keep a small system busy, and little enough that a cold one answers the first ones in time. */
const FIRST = 10;
/** Below this, a system that is slow for another reason than its load would never recover. */
const LEAST = 6;
const MOST = 2_000;
/** Until the first sign of congestion the limit grows by a quarter with each round of answers, then by three quarters of a request. */
const GROWTH = { atFirst: 0.25, later: 0.75 } as const;
const BACK_OFF = 0.9;

/**
 * Additive increase, multiplicative decrease, as TCP does it: processes that share a system feel the same latency, and so
 * come to equal shares without knowing of each other.
 */
export class ConcurrencyLimit {
  #limit = FIRST;
  #congested = false;
  #backedOffAt = -Infinity;

  get value(): number {
    return Math.floor(this.#limit);
  }

  /**
   * Learns from a request that ended.
   * @param saturated whether the limit was reached: only then does a quick answer show that there is room for more.
   */
  learn({ startedAt, endedAt, saturated }: { startedAt: number; endedAt: number; saturated: boolean }): void {
    if (endedAt - startedAt > TARGET_MS) {
      // What had begun before the last step back shows the same congestion again.
      if (startedAt < this.#backedOffAt) return;
      this.#congested = true;
      this.#backedOffAt = endedAt;
      this.#limit = Math.max(LEAST, this.#limit * BACK_OFF);
    } else if (saturated) {
      const growth = this.#congested ? GROWTH.later / this.#limit : GROWTH.atFirst;
      this.#limit = Math.min(MOST, this.#limit + growth);
    }
  }
}
