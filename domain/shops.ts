/** Shops: each has its own SKUs, wallets, orders and keys, and sees nothing of another's. */

/** Part of addresses, workflow inputs and logs, so short and plain. */
export const SHOP_PATTERN = '^[a-z][a-z0-9-]{0,62}$';

/** The shop that every installation has. All that was recorded before there were shops is its own. */
export const MAIN_SHOP = 'main';

/** Every shop: for those who look after the whole installation. */
export const ALL_SHOPS = '*';

/** A shop's id, or {@link ALL_SHOPS}. */
export type ShopScope = string;
