/** Shops, each with its own SKUs, wallets and orders. */
import { check, pgTable, text } from 'drizzle-orm/pg-core';
import { SHOP_PATTERN } from '../../domain/shops.ts';
import { TEXT } from '../../domain/text.ts';
import { isText, matches, recordedAt } from './columns.ts';

export const shop = pgTable(
  'shop',
  {
    id: text().primaryKey(),
    name: text().notNull(),
    recordedAt: recordedAt(),
  },
  (t) => [check('shop_id', matches(t.id, SHOP_PATTERN)), check('shop_name', isText(t.name, TEXT.title))],
);
