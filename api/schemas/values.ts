/** The values that requests and replies consist of, and their limits. */
import { z } from '@hono/zod-openapi';
import { CURRENCIES, ISO_4217_PUBLISHED, MINOR_DIGITS } from '../../domain/currencies.ts';
import { ON_HAND_LIMIT, PRICE_LIMIT } from '../../domain/limits.ts';
import { SKU_CODE, TEXT, findFlaw, patternOf, trimText, type TextRule } from '../../domain/text.ts';

/**
 * An order's total has its own limit, which the database checks: 100 lines of 10,000 units at the highest price would be far more
 * than any wallet holds. `deposit` only limits the damage of a typing error; several deposits may exceed it.
 */
export const LIMITS = {
  price: PRICE_LIMIT,
  quantity: 10_000,
  lines: 100,
  /** For one call, and for the units on hand after it. */
  onHand: ON_HAND_LIMIT,
  deposit: 1_000_000_000_000,
  page: 100,
  /** Of a number that every JSON reader keeps exactly. */
  digits: 15,
  /** The largest PostgreSQL integer, the type that counts an order's events. */
  version: 2_147_483_647,
  /** Of a version in a cursor, for which a pattern has to say what is not too large. */
  versionDigits: 9,
} as const;

/** A text that keeps its rule, trimmed as it is stored. */
export const text = (rule: TextRule) =>
  z
    .string()
    .overwrite((value) => trimText(value, rule))
    .superRefine((value, context) => {
      const flaw = findFlaw(value, rule);
      if (flaw !== null) context.addIssue(flaw);
    })
    .openapi({ pattern: patternOf(rule), ...(!rule.trimmed && { minLength: 1, maxLength: rule.max }) });

/** An id that Holdfast issued, in the one spelling in which it is stored. */
export const id = z
  .uuid('must be a UUID')
  .toLowerCase()
  .openapi({ example: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44' });

export const skuName = z
  .string()
  .regex(
    new RegExp(SKU_CODE.pattern),
    'must be 1 to 64 letters, digits, dots, underscores or hyphens, and start with a letter or digit',
  )
  .openapi({ example: 'TEA-GREEN-100' });

export const party = text(TEXT.party).openapi({ example: 'buyer-7' });
export const title = text(TEXT.title).openapi({ example: 'Green tea, 100 g' });
export const reason = text(TEXT.reason).openapi({ example: 'changed my mind' });

const currencyCode = z.string().openapi({ example: 'EUR', pattern: '^[A-Z]{3}$' });

/** The currency of something that exists: ISO may have withdrawn it since. */
export const currency = currencyCode.openapi({ description: 'ISO 4217 code' });

/**
 * The currency of a new wallet or a price. Withdrawn currencies pass here and are refused later: a SKU may already be priced in one, and
 * the retry of a wallet that an earlier release opened gets its first answer.
 */
export const knownCurrency = currencyCode
  .refine(
    (code) => MINOR_DIGITS.has(code),
    'must be an ISO 4217 currency code in capitals that has a minor unit',
  )
  .openapi({
    enum: [...CURRENCIES.keys()].toSorted(),
    description: `ISO 4217 code that has a minor unit, as published on ${ISO_4217_PUBLISHED}. Withdrawn codes are refused, except in the price that a SKU already has`,
  });

/** A whole number from `min` to `max`. */
export const whole = (min: number, max: number) => z.int().min(min).max(max);

/** The same as written in a query or a cursor: decimal digits only, so that `1e2` and a blank are refused. */
export const digits = (min: number, max: number) =>
  z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(whole(min, max));

/** RFC 3339 has a year 0, and PostgreSQL does not. */
export const hasYear = (day: string): boolean => !day.startsWith('0000');
export const YEAR_MESSAGE = 'must be in the year 1 or later';

/** PostgreSQL spells instants outside these in another way. Nothing is recorded outside of them, so one there means the same as the nearest. */
const [FIRST_MS, LAST_MS] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')];

/** An instant in a query. */
export const time = z.iso
  .datetime({ offset: true })
  .transform((given) => new Date(Math.min(Math.max(Date.parse(given), FIRST_MS), LAST_MS)))
  .openapi({ type: 'string', format: 'date-time' });

export const money = z
  .strictObject({
    amount: whole(1, LIMITS.price).openapi({ example: 1250, description: 'Minor units, such as cents' }),
    currency: knownCurrency,
  })
  .openapi('Money');

/** A sum over many orders, in replies: an integer of any size, with all its digits. */
export const exactSum = z.bigint().openapi({ type: 'integer' });

/** An amount in replies, in minor units. */
export const amount = z.int().openapi({ example: 1250, description: 'Minor units, such as cents' });
export const units = z.int().openapi({ example: 40 });
export const instant = z.iso.datetime().openapi({ example: '2026-05-04T09:15:00.000Z' });

/** For calls without query parameters: every call refuses unknown ones. */
export const noQuery = z.strictObject({});
