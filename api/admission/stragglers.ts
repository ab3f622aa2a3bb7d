/**
 * Orders that take far longer than new orders do: the row of a SKU or wallet that they need may be locked by somebody's open
 * transaction. They must not take the places of orders that need none of it.
 */

/** What an order has to lock to be placed: its SKUs, and the wallet of a hold. */
export type Needs = readonly string[];

interface Straggler {
  needs: Needs;
  startedAt: number;
  /** Whether an order that needs nothing of the same began later, and was placed quickly: then it is not the system that is slow. */
  isInTrouble: boolean;
}

/** How long one that failed is remembered: its caller asks again, and would take a place to find out the same. */
const REMEMBERED_MS = 15_000;

export class Stragglers {
  readonly #late = new Set<Straggler>();

  /** To be called when an order is late. @returns what is to be called when it failed after all. */
  add(needs: Needs, startedAt: number): () => void {
    const straggler = { needs, startedAt, isInTrouble: false };
    this.#late.add(straggler);
    return () => {
      setTimeout(() => this.#late.delete(straggler), REMEMBERED_MS).unref();
    };
  }

  /** To be called when an order was placed, late or not: what it needed was to be had. */
  placed(needs: Needs, { startedAt, isQuick }: { startedAt: number; isQuick: boolean }): void {
    for (const straggler of this.#late) {
      if (straggler.needs.every((need) => needs.includes(need))) this.#late.delete(straggler);
      else if (isQuick && straggler.startedAt < startedAt && !share(straggler.needs, needs))
        straggler.isInTrouble = true;
    }
  }

  /** Whether an order would wait for what other orders wait for in vain. */
  hold(needs: Needs): boolean {
    for (const straggler of this.#late)
      if (straggler.isInTrouble && share(straggler.needs, needs)) return true;
    return false;
  }
}

const share = (one: Needs, other: Needs): boolean => one.some((need) => other.includes(need));
