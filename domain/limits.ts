/** What the ledger and the shelves can hold. The API's limits and the tables' CHECKs are made from these. */

/**
 * The largest integer that JSON carries exactly to every reader, 2^53 - 1. Each amount that is kept is at most this: prices,
 * totals, balances. Only sums of many orders go beyond it; see exact-integers.ts.
 */
export const EXACT_LIMIT = Number.MAX_SAFE_INTEGER;

/** Minor units in a wallet. */
export const BALANCE_LIMIT = EXACT_LIMIT;
/** Minor units that an order comes to: no more than a wallet can hold, or nobody could pay it. */
export const TOTAL_LIMIT = BALANCE_LIMIT;
/** Minor units for one unit of a SKU: one unit can be ordered, whatever it costs. */
export const PRICE_LIMIT = TOTAL_LIMIT;

/**
 * Units of a SKU on hand, whichever call brings them: far from what a SKU's counters and sums can carry exactly, since returns
 * come on top of it.
 */
export const ON_HAND_LIMIT = 1_000_000_000_000;
