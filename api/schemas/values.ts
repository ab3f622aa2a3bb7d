/** The values that requests are made of, and their limits. */
import { z } from '@hono/zod-openapi';
import { ISO_4217_PUBLISHED, MINOR_DIGITS } from '../../db/currencies.ts';
import { ON_HAND_LIMIT, PRICE_LIMIT } from '../../db/limits.ts';

/**
 * What an order comes to has a limit of its own, which the database checks: 100 lines of 10,000 units at the highest price would
 * be far more than any wallet holds. `deposit` only keeps a slip of the hand small; several deposits make more.
 */
export const LIMITS = {
  price: PRICE_LIMIT,
  quantity: 10_000,
  lines: 100,
  /** Of one call and of what is there after it. */
  onHand: ON_HAND_LIMIT,
  deposit: 1_000_000_000_000,
  page: 100,
} as const;

// Neither control characters nor halves of surrogate pairs, which PostgreSQL cannot keep.
const UNKEEPABLE = /[\p{Cc}\p{Cs}]/u;

const plain = z.string().refine((text) => !UNKEEPABLE.test(text), 'must not contain control characters');

/** An id that Holdfast gave, in the one spelling that it is kept in. */
export const id = z
  .uuid('must be a UUID')
  .toLowerCase()
  .openapi({ example: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44' });

export const skuName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'must be 1 to 64 letters, digits, dots, underscores or hyphens, and start with a letter or digit',
  )
  .openapi({ example: 'TEA-GREEN-100' });

/** Who a caller says that somebody is: an id of the caller's own. */
export const party = plain.min(1).max(128).openapi({ example: 'buyer-7' });

export const title = plain.trim().min(1).max(200).openapi({ example: 'Green tea, 100 g' });

export const reason = z
  .string()
  .refine(
    (text) => !UNKEEPABLE.test(text.replaceAll(/[\t\r\n]/g, '')),
    'must not contain control characters other than tabs and line ends',
  )
  .trim()
  .min(1)
  .max(500)
  .openapi({ example: 'changed my mind' });

const currencyCode = z.string().openapi({ example: 'EUR', pattern: '^[A-Z]{3}$' });

/** Of what is there already: ISO may have withdrawn it since. */
export const currency = currencyCode.openapi({ description: 'ISO 4217 code' });

/**
 * Of a new wallet or a price. Retired ones pass here and are refused later: a SKU may have its price in one, and a retry of a wallet
 * that an earlier release opened gets its first answer.
 */
export const knownCurrency = currencyCode
  .refine(
    (code) => MINOR_DIGITS.has(code),
    'must be an ISO 4217 currency code in capitals that has a minor unit',
  )
  .openapi({
    description: `ISO 4217 code that has a minor unit, as published on ${ISO_4217_PUBLISHED}. Withdrawn codes are refused, except in the price that a SKU has already`,
  });

/** A whole number of at least `min` and at most `max`. */
export const whole = (min: number, max: number) => z.int().min(min).max(max);

export const money = z
  .strictObject({
    amount: whole(1, LIMITS.price).openapi({ example: 1250, description: 'Minor units, such as cents' }),
    currency: knownCurrency,
  })
  .openapi('Money');

/** A sum over many orders, in replies: an integer of any size, written with all its digits. */
export const exactSum = z.bigint().openapi({ type: 'integer' });

/** Any amount in replies: minor units. */
export const amount = z.int().openapi({ example: 1250, description: 'Minor units, such as cents' });
export const units = z.int().openapi({ example: 40 });
export const instant = z.iso.datetime().openapi({ example: '2026-05-04T09:15:00.000Z' });

/** For calls that take no query parameters: unknown ones are refused everywhere. */
export const noQuery = z.strictObject({});
