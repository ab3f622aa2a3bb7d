/** How far a number of permits is used. */
export interface PermitUse {
  inUse: number;
  waiting: number;
  /** How many got none in time, so far. */
  refused: number;
}

/** Lets in a limited number at a time, first come first served. */
export class Permits {
  readonly #count: number;
  #free: number;
  #refused = 0;
  readonly #waitMs: number;
  readonly #late: () => Error;
  /** In order of arrival. */
  readonly #waiting = new Set<() => void>();

  /** @param late creates the error that ends a wait of more than `waitMs`. */
  constructor(count: number, waitMs: number, late: () => Error) {
    this.#count = count;
    this.#free = count;
    this.#waitMs = waitMs;
    this.#late = late;
  }

  get use(): PermitUse {
    return { inUse: this.#count - this.#free, waiting: this.#waiting.size, refused: this.#refused };
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
      this.#refused += 1;
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
