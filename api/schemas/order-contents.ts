/** What an order has besides its lines, as callers send and see it: adjustments, and what they note for themselves. */
import { z } from '@hono/zod-openapi';
import { EXACT_LIMIT } from '../../domain/limits.ts';
import { METADATA_FIELDS, findFlawOfField } from '../../domain/order-detail.ts';
import { ADJUSTMENTS_LIMIT, ADJUSTMENT_KINDS } from '../../domain/order.ts';
import { TEXT, patternOf } from '../../domain/text.ts';
import { skuName, text } from './values.ts';

const label = text(TEXT.label).openapi({ example: 'Ten per cent off' });
const sku = skuName
  .optional()
  .openapi({ description: 'The line that it is about. Left out for the whole order' });

const discount = z.strictObject({
  kind: z.literal('discount'),
  label,
  amount: z
    .int()
    .min(-EXACT_LIMIT)
    .max(-1, 'must be below zero in a discount')
    .openapi({ example: -250, description: 'Minor units, below zero' }),
  sku,
});

const surcharge = z.strictObject({
  kind: z.enum(ADJUSTMENT_KINDS).exclude(['discount']),
  label,
  amount: z
    .int()
    .min(1, 'must be above zero, except in a discount')
    .max(EXACT_LIMIT)
    .openapi({ example: 250, description: 'Minor units, above zero' }),
  sku,
});

const adjustment = z.discriminatedUnion('kind', [discount, surcharge]).openapi('OrderAdjustment');

export const adjustments = z.array(adjustment).max(ADJUSTMENTS_LIMIT);

export const reference = text(TEXT.reference).openapi({
  example: 'PO-2026-0417',
  description: 'What the order is called where it came from. Orders are found by it',
});

/** A keyword of JSON Schema since OpenAPI 3.1, which the types of this method leave out. */
const NAMES = { propertyNames: { type: 'string', pattern: patternOf(TEXT.metadataKey) } };

/** Kept as it was sent: as a record it would lose a field called `__proto__`. */
export const metadata = z
  .custom<Record<string, string>>(isObject, 'must be an object')
  .superRefine((given, context) => {
    const fields = Object.entries(given);
    if (fields.length > METADATA_FIELDS) context.addIssue(`must have at most ${METADATA_FIELDS} fields`);
    for (const [key, value] of fields.slice(0, METADATA_FIELDS)) {
      const flaw = typeof value === 'string' ? findFlawOfField(key, value) : 'must be a string';
      if (flaw !== null) context.addIssue({ code: 'custom', message: flaw, path: [key] });
    }
  })
  .openapi({
    type: 'object',
    maxProperties: METADATA_FIELDS,
    ...NAMES,
    additionalProperties: { type: 'string', pattern: patternOf(TEXT.metadataValue, 0) },
    example: { channel: 'app', campaign: 'spring' },
    description: `Fields of your own, with names of at most ${TEXT.metadataKey.max} and values of at most ${TEXT.metadataValue.max} characters. Holdfast keeps them and decides nothing by them`,
  });

function isObject(given: unknown): boolean {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}
