/** Shops, as callers send and see them. */
import { z } from '@hono/zod-openapi';
import type { Shop } from '../../db/shops.ts';
import { SHOP_PATTERN } from '../../domain/shops.ts';
import { pageQuery, pageSchema } from './page.ts';
import { instant, title } from './values.ts';

const shopId = z
  .string()
  .regex(
    new RegExp(SHOP_PATTERN),
    'must be 1 to 63 lower-case letters, digits or hyphens, and start with a letter',
  )
  .openapi({ example: 'north' });

const shopName = title.openapi({ example: 'The shop in the north' });

export const shopParams = z.strictObject({ shop: shopId });

export const putShopBody = z.strictObject({ name: shopName }).openapi('PutShop');

export const shopSchema = z.object({ id: shopId, name: shopName, createdAt: instant }).openapi('Shop');

export const shopPage = pageSchema(shopSchema, 'ShopPage');

export const shopsQuery = pageQuery('shops', { pattern: SHOP_PATTERN.slice(1, -1), read: (shop) => shop });

/** A shop as callers see it. */
export const toShopReply = ({ id, name, recordedAt }: Shop): z.output<typeof shopSchema> => ({
  id,
  name,
  createdAt: recordedAt.toISOString(),
});
