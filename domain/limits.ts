/** The most money and units that the tables can hold. The API's limits and the tables' CHECKs are derived from these. */

/**
 * The largest integer that JSON carries exactly to every reader, 2^53 - 1. No stored amount (price, total, balance) is larger.
 * Only sums of many orders exceed it; see exact-integers.ts.
 */
export const EXACT_LIMIT = Number.MAX_SAFE_INTEGER;

/** Minor units in a wallet. */
export const BALANCE_LIMIT = EXACT_LIMIT;
/** The total of an order, in minor units: no more than a wallet can hold, or nobody could pay it. */
export const TOTAL_LIMIT = BALANCE_LIMIT;
/** The price of one unit of a SKU, in minor units: one unit can always be ordered, whatever it costs. */
export const PRICE_LIMIT = TOTAL_LIMIT;

/**
 * Units of a SKU on hand, whichever call sets them: far below what a SKU's counters and sums can carry exactly, since returns
 * are added on top.
 */
export const ON_HAND_LIMIT = 1_000_000_000_000;
