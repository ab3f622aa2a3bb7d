/**
 * Tracks orders that take far longer than others: somebody's open transaction may have locked the row of a SKU or wallet that they need.
 * They must not take the slots of orders that do not need that row.
 */

/** The rows an order locks to be placed: its SKUs, and its wallet in `hold` mode. */
export type Needs = readonly string[];

interface Straggler {
  needs: Needs;
  startedAt: number;
  /** Whether an order that needs none of the same rows started later and was placed quickly: then the system is not what is slow. */
  isBlocked: boolean;
}

/** How long a failed order is remembered: its caller tries again, and would use a slot only to fail the same way. */
const REMEMBERED_MS = 15_000;

export class Stragglers {
  readonly #late = new Set<Straggler>();

  /** Call this when an order is late. @returns a function to call if the order fails after all. */
  add(needs: Needs, startedAt: number): () => void {
    const straggler = { needs, startedAt, isBlocked: false };
    this.#late.add(straggler);
    return () => {
      setTimeout(() => this.#late.delete(straggler), REMEMBERED_MS).unref();
    };
  }

  /** Call this when an order was placed, late or not: the rows it needed were free. */
  recordPlaced(needs: Needs, { startedAt, isQuick }: { startedAt: number; isQuick: boolean }): void {
    for (const straggler of this.#late) {
      if (straggler.needs.every((need) => needs.includes(need))) this.#late.delete(straggler);
      else if (isQuick && straggler.startedAt < startedAt && !overlap(straggler.needs, needs))
        straggler.isBlocked = true;
    }
  }

  /** Whether an order would wait for a row that other orders are already waiting for. */
  wouldBlock(needs: Needs): boolean {
    for (const straggler of this.#late)
      if (straggler.isBlocked && overlap(straggler.needs, needs)) return true;
    return false;
  }
}

const overlap = (one: Needs, other: Needs): boolean => one.some((need) => other.includes(need));
