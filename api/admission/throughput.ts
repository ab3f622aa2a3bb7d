/** Measures how many requests per second the system completes while it is never idle. */

/** After this many seconds, a measurement has a third of its weight: long enough to be steady, short enough to follow the system. */
const MEMORY_S = 4;
/** The weight of the first guess, in seconds: it answers a burst that meets a new process. */
const GUESS_COUNTS_S = 0.5;
/** Even a system that has stalled is asked again, and soon: a promise made while nothing ends must not outlast the outage by minutes. */
const LEAST_PER_SECOND = 1;

export class Throughput {
  /** Completed while there was always more to do: what the system can do. */
  #ended: number;
  #seconds = GUESS_COUNTS_S;
  #busySince: number | undefined;
  /** Completed in any recent time, busy or not: the system can do at least this. */
  #endedLately = 0;
  #lastEnd = 0;

  /** @param guess requests per second, until some were measured. */
  constructor(guess: number) {
    this.#ended = guess * GUESS_COUNTS_S;
  }

  /** From now on there is more to do than gets done. */
  busy(nowMs: number): void {
    this.#busySince ??= nowMs;
  }

  idle(): void {
    this.#busySince = undefined;
  }

  ended(nowMs: number): void {
    this.#endedLately = this.#endedLately * decay(nowMs - this.#lastEnd) + 1;
    this.#lastEnd = nowMs;
    if (this.#busySince !== undefined) {
      const kept = decay(nowMs - this.#busySince);
      this.#ended = this.#ended * kept + 1;
      this.#seconds = this.#seconds * kept + (nowMs - this.#busySince) / 1_000;
      this.#busySince = nowMs;
    }
    const atLeast = this.#endedLately / MEMORY_S;
    if (atLeast * this.#seconds > this.#ended) this.#ended = atLeast * this.#seconds;
  }

  perSecond(nowMs: number): number {
    const measured = this.#ended / this.#seconds;
    if (this.#busySince === undefined) return Math.max(LEAST_PER_SECOND, measured);
    // If nothing has ended for longer than usual, count as if a request ended just now.
    const waited = nowMs - this.#busySince;
    const stalled = (this.#ended * decay(waited) + 1) / (this.#seconds * decay(waited) + waited / 1_000);
    return Math.max(LEAST_PER_SECOND, Math.min(measured, stalled));
  }
}

const decay = (ms: number): number => Math.exp(-ms / 1_000 / MEMORY_S);
