/**
 * The personal fields of orders, encrypted with a key of their buyer. Deleting that key erases the buyer, wherever a copy of
 * the fields may be.
 *
 * The rules of who reaches what are in migrations/0014_personal_data.sql.
 */
import { sql } from 'drizzle-orm';
import { check, foreignKey, index, pgTable, primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core';
import { KEY_BYTES, KEY_NAME_PATTERN } from '../../domain/key-ring.ts';
import { LONGEST_SEALED, SEAL_BYTES } from '../../domain/personal-data.ts';
import { TEXT } from '../../domain/text.ts';
import { bytes, hasBytes, isText, matches, recordedAt, shopId } from './columns.ts';

/** The key that encrypts the personal fields of one buyer's orders, itself encrypted with a key of the installation's settings. */
export const buyerKey = pgTable(
  'buyer_key',
  {
    shopId: shopId(),
    buyerId: text('buyer_id').notNull(),
    /** Another one after the buyer was erased. */
    id: uuid().notNull(),
    wrapped: bytes('wrapped').notNull(),
    /** The name of the key in PERSONAL_DATA_KEYS. */
    wrappingKey: text('wrapping_key').notNull(),
    recordedAt: recordedAt(),
  },
  (t) => [
    primaryKey({ name: 'buyer_key_pkey', columns: [t.shopId, t.buyerId] }),
    // For the key of what it encrypts.
    unique('buyer_key_of_buyer').on(t.shopId, t.buyerId, t.id),
    check('buyer_key_buyer', isText(t.buyerId, TEXT.party)),
    check('buyer_key_wrapped', hasBytes(t.wrapped, SEAL_BYTES + KEY_BYTES, SEAL_BYTES + KEY_BYTES)),
    check('buyer_key_wrapping_key', matches(t.wrappingKey, KEY_NAME_PATTERN)),
  ],
);

export const personalData = pgTable(
  'personal_data',
  {
    /** Not a foreign key: it is written before the order is. */
    orderId: uuid('order_id').primaryKey(),
    shopId: shopId(),
    buyerId: text('buyer_id').notNull(),
    buyerKeyId: uuid('buyer_key_id').notNull(),
    contact: bytes('contact'),
    deliveryNote: bytes('delivery_note'),
    /** HMAC-SHA-256 of the contact's address, so that orders can be found by it. */
    emailIndex: bytes('email_index'),
    /** The name of its key in PERSONAL_DATA_INDEX_KEYS. */
    indexKey: text('index_key'),
    recordedAt: recordedAt(),
  },
  (t) => [
    // An order that is placed while its buyer is erased either waits for that and takes a new key, or goes with the old one.
    foreignKey({
      name: 'personal_data_buyer_key',
      columns: [t.shopId, t.buyerId, t.buyerKeyId],
      foreignColumns: [buyerKey.shopId, buyerKey.buyerId, buyerKey.id],
    }).onDelete('cascade'),
    check('personal_data_not_empty', sql`${t.contact} is not null or ${t.deliveryNote} is not null`),
    check('personal_data_contact', hasBytes(t.contact, SEAL_BYTES + 1, LONGEST_SEALED.contact)),
    check(
      'personal_data_delivery_note',
      hasBytes(t.deliveryNote, SEAL_BYTES + 1, LONGEST_SEALED.deliveryNote),
    ),
    check('personal_data_email_index', hasBytes(t.emailIndex, 32, 32)),
    check('personal_data_index_key', matches(t.indexKey, KEY_NAME_PATTERN)),
    check('personal_data_indexed', sql`(${t.emailIndex} is null) = (${t.indexKey} is null)`),
    // Which orders of this shop were placed with this address, newest first? (Ids sort by time.)
    index('personal_data_by_email')
      .on(t.shopId, t.emailIndex, t.orderId)
      .where(sql`email_index is not null`),
    // Which fields does this buyer's key encrypt?
    index('personal_data_by_buyer').on(t.shopId, t.buyerId, t.buyerKeyId),
  ],
);
