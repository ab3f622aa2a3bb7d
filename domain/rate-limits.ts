/** The classes of requests that are limited apart from each other, and their limits unless a setting says otherwise. */

/**
 * - reads: whatever changes nothing
 * - orders: new orders
 * - writes: payments, cancels and refunds, and what changes SKUs and wallets
 * - admin: keys and shops
 */
export const ROUTE_CLASSES = ['reads', 'writes', 'orders', 'admin'] as const;
export type RouteClass = (typeof ROUTE_CLASSES)[number];

/** Requests of one caller in a minute: 20 orders a second is more than a small shop ever has, and an order takes about two writes. */
export const DEFAULT_QUOTAS: Readonly<Record<RouteClass, number>> = {
  reads: 6_000,
  writes: 3_000,
  orders: 1_200,
  admin: 300,
};

/** More than any system of ours serves in an hour, which is the longest window: a limit that nobody meets. */
export const LARGEST_QUOTA = 1_000_000_000;

/** Failed authentications from one address in a window. A person who mistypes a key never gets there, and who guesses keys does at once. */
export const DEFAULT_FAILED_AUTHENTICATIONS = 30;
