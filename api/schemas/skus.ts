/** SKUs and changes of their stock, as callers send and see them. */
import { z } from '@hono/zod-openapi';
import type { Sku } from '../../db/skus.ts';
import { EXACT_LIMIT } from '../../domain/limits.ts';
import { LIMITS, currency, amount, money, skuName, title, units, whole } from './values.ts';

export const skuParams = z.strictObject({ sku: skuName });

export const putSkuBody = z
  .strictObject({
    name: title,
    price: money,
    onHand: whole(0, LIMITS.onHand).optional().openapi({
      example: 40,
      description: 'Units on hand at first, 0 by default. Refused if the SKU already exists',
    }),
  })
  .openapi('PutSku');

export const restockBody = z
  .strictObject({
    quantity: whole(1, LIMITS.onHand).openapi({ example: 12, description: 'Units received' }),
  })
  .openapi('Restock');

export const countBody = z
  .strictObject({
    onHand: whole(0, LIMITS.onHand).openapi({ example: 38, description: 'Units counted' }),
    // Returned units may exceed the limit.
    expectedOnHand: whole(0, EXACT_LIMIT).openapi({
      example: 40,
      description: '`onHand` as you read it before the count. The count is refused if it has changed since',
    }),
  })
  .openapi('Count');

export const skuSchema = z
  .object({
    sku: skuName,
    name: z.string(),
    price: z.object({ amount, currency }),
    onHand: units.openapi({ description: 'Units that exist' }),
    reserved: units.openapi({ example: 3, description: 'Units promised to open orders' }),
    available: units.openapi({ example: 37, description: '`onHand - reserved`' }),
  })
  .openapi('Sku');

/** A SKU as callers see it. */
export function toSkuReply({
  sku,
  name,
  price,
  currency: priced,
  onHand,
  reserved,
}: Sku): z.output<typeof skuSchema> {
  return {
    sku,
    name,
    price: { amount: price, currency: priced },
    onHand,
    reserved,
    available: onHand - reserved,
  };
}

/** Reads the SKU back from a reply. */
export const toSku = ({ price, available: _, ...rest }: z.output<typeof skuSchema>): Sku => ({
  ...rest,
  price: price.amount,
  currency: price.currency,
});
