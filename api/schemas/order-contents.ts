/** What an order has besides its lines, as callers send and see it: adjustments, and what they note for themselves. */
import { z } from '@hono/zod-openapi';
import { EXACT_LIMIT } from '../../domain/limits.ts';
import { METADATA_FIELDS, findFlawOfField } from '../../domain/order-detail.ts';
import { ADJUSTMENTS_LIMIT, ADJUSTMENT_KINDS } from '../../domain/order.ts';
import { TEXT } from '../../domain/text.ts';
import { skuName, text, whole } from './values.ts';

const adjustment = z
  .strictObject({
    kind: z.enum(ADJUSTMENT_KINDS),
    label: text(TEXT.label).openapi({ example: 'Ten per cent off' }),
    amount: whole(-EXACT_LIMIT, EXACT_LIMIT).openapi({
      example: -250,
      description: 'Minor units: below zero for a discount, above zero for everything else',
    }),
    sku: skuName
      .optional()
      .openapi({ description: 'The line that it is about. Left out for the whole order' }),
  })
  .refine(({ kind, amount }) => (kind === 'discount' ? amount < 0 : amount > 0), {
    path: ['amount'],
    error: ({ input }) =>
      isDiscount(input) ? 'must be below zero in a discount' : 'must be above zero, except in a discount',
  })
  .openapi('OrderAdjustment');

const isDiscount = (input: unknown): boolean =>
  typeof input === 'object' && input !== null && 'kind' in input && input.kind === 'discount';

export const adjustments = z.array(adjustment).max(ADJUSTMENTS_LIMIT);

export const reference = text(TEXT.reference).openapi({
  example: 'PO-2026-0417',
  description: 'What the order is called where it came from. Orders are found by it',
});

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
    additionalProperties: { type: 'string', maxLength: TEXT.metadataValue.max },
    example: { channel: 'app', campaign: 'spring' },
    description: `Fields of your own, with names of at most ${TEXT.metadataKey.max} characters. Holdfast keeps them and decides nothing by them`,
  });

function isObject(given: unknown): boolean {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}
