/** Learns how many requests may run at once from how long they take. */

/**
 * How long a create may take once it has started. Together with its wait in the {@link AdmissionQueue}, its caller gets an answer within
 * about 2 s. This is well above the 40 ms of a create when all is well, so only a queue further down makes a create exceed it.
 */
export const TARGET_MS = 1_000;
/** Enough to keep a small system busy, and few enough that a cold system answers the first ones in time. */
const FIRST = 10;
/** With a lower limit, a system that is slow for another reason than load would never recover. */
const LEAST = 6;
const MOST = 2_000;
/** Each round of answers raises the limit: by a quarter until the first sign of congestion, and then by three quarters of a request. */
const GROWTH = { atFirst: 0.25, later: 0.75 } as const;
const BACK_OFF = 0.9;

/**
 * Additive increase, multiplicative decrease, as in TCP: processes that share a system observe the same latency, and so reach equal shares
 * without knowing of each other.
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
      // A request that started before the last back-off shows the same congestion again.
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
