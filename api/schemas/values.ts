/** The values that requests are made of, and their limits. */
import { z } from '@hono/zod-openapi';
import { SKU_PATTERN, TEXT, findFlaw, trimText, type TextRule } from '../../workflows/text.ts';

/**
 * The dearest order is 100 lines of 10,000 units at 1,000,000,000 each: 10^15 minor units, below the 2^53 up to which
 * JSON carries integers exactly.
 */
export const LIMITS = {
  price: 1_000_000_000,
  quantity: 10_000,
  lines: 100,
  onHand: 1_000_000_000,
  restock: 1_000_000_000,
  deposit: 1_000_000_000_000,
  page: 100,
  /** PostgreSQL's integer, which counts the events of an order. */
  version: 2_147_483_647,
} as const;

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

/** A text by its rule, as it is kept. */
const text = (rule: TextRule) =>
  z
    .string()
    .overwrite((value) => trimText(value, rule))
    .superRefine((value, context) => {
      const flaw = findFlaw(value, rule);
      if (flaw !== null) context.addIssue(flaw);
    })
    .openapi({ minLength: 1, maxLength: rule.max });

/** An id that Holdfast gave, in the one spelling that it is kept in. */
export const id = z
  .uuid('must be a UUID')
  .toLowerCase()
  .openapi({ example: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44' });

export const skuName = z
  .string()
  .regex(
    new RegExp(SKU_PATTERN),
    'must be 1 to 64 letters, digits, dots, underscores or hyphens, and start with a letter or digit',
  )
  .openapi({ example: 'TEA-GREEN-100' });

export const party = text(TEXT.party).openapi({ example: 'buyer-7' });
export const title = text(TEXT.title).openapi({ example: 'Green tea, 100 g' });
export const reason = text(TEXT.reason).openapi({ example: 'changed my mind' });

export const currency = z
  .string()
  .refine((code) => CURRENCIES.has(code), 'must be an ISO 4217 currency code in capitals')
  .openapi({ example: 'EUR', pattern: '^[A-Z]{3}$', description: 'ISO 4217 code' });

/** A whole number of at least `min` and at most `max`. */
export const whole = (min: number, max: number) => z.int().min(min).max(max);

/** The same as a query or a cursor spells it: decimal digits and nothing else, so that no `1e2` and no blank is taken for one. */
export const digits = (min: number, max: number) =>
  z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(whole(min, max));

/** PostgreSQL has no year 0, which RFC 3339 has. */
export const hasYear = (time: string): boolean => !time.startsWith('0000');
export const YEAR_MESSAGE = 'must be in the year 1 or later';

export const money = z
  .strictObject({
    amount: whole(1, LIMITS.price).openapi({ example: 1250, description: 'Minor units, such as cents' }),
    currency,
  })
  .openapi('Money');

/** Any amount in replies: minor units. */
export const amount = z.int().openapi({ example: 1250, description: 'Minor units, such as cents' });
export const units = z.int().openapi({ example: 40 });
export const instant = z.iso.datetime().openapi({ example: '2026-05-04T09:15:00.000Z' });

/** For calls that take no query parameters: unknown ones are refused everywhere. */
export const noQuery = z.strictObject({});
