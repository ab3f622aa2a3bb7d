/** Lets in a limited number at a time, first come first served. */
export class Permits {
  #free: number;
  readonly #waitMs: number;
  readonly #late: () => Error;
  /** In order of arrival. */
  readonly #waiting = new Set<() => void>();

  /** @param late creates the error that ends a wait of more than `waitMs`. */
  constructor(count: number, waitMs: number, late: () => Error) {
    this.#free = count;
    this.#waitMs = waitMs;
    this.#late = late;
  }

  /** Resolves with the function that gives the permit back, to be called once. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#waitForTurn();
    return () => this.#release();
  }

  async #waitForTurn(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#waiting.delete(resolve);
      reject(this.#late());
    }, this.#waitMs);
    this.#waiting.add(resolve);
    await promise;
    clearTimeout(timer);
  }

  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
