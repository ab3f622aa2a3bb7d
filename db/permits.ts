/** As many at a time as there is room for, first come first served. */
export class Permits {
  #free: number;
  readonly #waitMs: number;
  readonly #late: () => Error;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();

  /** @param late what a wait of more than `waitMs` ends with. */
  constructor(count: number, waitMs: number, late: () => Error) {
    this.#free = count;
    this.#waitMs = waitMs;
    this.#late = late;
  }

  /** Resolves with what gives the permit back; to be called once. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn();
    return () => this.#giveBack();
  }

  async #turn(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#waiting.delete(resolve);
      reject(this.#late());
    }, this.#waitMs);
    this.#waiting.add(resolve);
    await promise;
    clearTimeout(timer);
  }

  #giveBack(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
