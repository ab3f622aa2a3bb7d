/** A fingerprint of a SKU: equal as long as nobody changed what callers set or count. */
import { createHash } from 'node:crypto';
import type { Queryable } from './postgres.ts';
import type { sku as skus } from './schema/skus.ts';

/** `any`: the SKU only has to exist. */
export type SkuStates = 'any' | readonly string[];

const LENGTH = 32;

/**
 * The fingerprint of name, price and units on hand. Reserved units are not part of it: a change that builds on what its caller read
 * need not fail because a buyer has placed an order since.
 */
export const skuState = ({
  name,
  price,
  currency,
  onHand,
}: Pick<typeof skus.$inferSelect, 'name' | 'price' | 'currency' | 'onHand'>): string =>
  createHash('sha256').update(`${price} ${currency} ${onHand} ${name}`).digest('hex').slice(0, LENGTH);

/** Compares the same in SQL: whether a row of `sku` is in one of these states. */
export const isInState = (sql: Queryable, states: SkuStates) =>
  states === 'any'
    ? sql`true`
    : sql`
        left(encode(sha256(convert_to(concat_ws(' ', price, currency, on_hand, name), 'UTF8')), 'hex'), ${LENGTH}::integer)
          in (select jsonb_array_elements_text(${JSON.stringify(states)}::jsonb))
      `;
