/** How many requests a second end while there is always one more to begin. */

/** Seconds after which a measurement counts for a third: long enough to be steady, short enough to follow the system. */
const MEMORY_S = 4;
/** How long the first guess counts: a burst that meets a fresh process is told by it. */
const GUESS_COUNTS_S = 0.5;
/** A system that stands still is asked again, too. */
const LEAST_PER_SECOND = 0.2;

export class Throughput {
  /** While there was more to do than was done: what the system can do. */
  #ended: number;
  #seconds = GUESS_COUNTS_S;
  #busySince: number | undefined;
  /** The same with the time in which there was too little to do: the system can do at least that. */
  #endedLately = 0;
  #lastEnd = 0;

  /** @param guess requests a second, until something was measured. */
  constructor(guess: number) {
    this.#ended = guess * GUESS_COUNTS_S;
  }

  /** From now on there is more to do than is done. */
  busy(nowMs: number): void {
    this.#busySince ??= nowMs;
  }

  idle(): void {
    this.#busySince = undefined;
  }

  ended(nowMs: number): void {
    this.#endedLately = this.#endedLately * fading(nowMs - this.#lastEnd) + 1;
    this.#lastEnd = nowMs;
    if (this.#busySince !== undefined) {
      const kept = fading(nowMs - this.#busySince);
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
    // When nothing has ended for longer than usual: as if something did just now.
    const waited = nowMs - this.#busySince;
    const stalled = (this.#ended * fading(waited) + 1) / (this.#seconds * fading(waited) + waited / 1_000);
    return Math.max(LEAST_PER_SECOND, Math.min(measured, stalled));
  }
}

const fading = (ms: number): number => Math.exp(-ms / 1_000 / MEMORY_S);
