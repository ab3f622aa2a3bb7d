/** Orders, their commands and their events, as callers send and see them. */
import { z } from '@hono/zod-openapi';
import type { OpenMark } from '../../db/attention.ts';
import type { Order, OrderEvent } from '../../db/orders.ts';
import { PAYMENT_MODES } from '../../domain/order.ts';
import type { PersonalData } from '../../domain/personal-data.ts';
import { RESTING_STAGES, STAGES } from '../../domain/stages.ts';
import { INCOMPATIBLE } from '../problems/invalid-request.ts';
import { toAttentionReply, attentionSchema } from './attention.ts';
import { adjustments, metadata, reference } from './order-contents.ts';
import { byId, byNumber, pageQuery, pageSchema } from './page.ts';
import { contactBody, contactSchema, deliveryNote, email } from './personal-data.ts';
import { LIMITS, amount, currency, id, instant, money, party, reason, skuName, whole } from './values.ts';

export const orderParams = z.strictObject({ id });

const line = z.strictObject({
  sku: skuName,
  quantity: whole(1, LIMITS.quantity).openapi({ example: 2 }),
  unitPrice: whole(1, LIMITS.price).optional().openapi({
    example: 1250,
    description: 'What the buyer was shown, in minor units. Another price of the SKU rejects the order',
  }),
});

export const createOrderBody = z
  .strictObject({
    buyerId: party,
    walletId: id,
    lines: z
      .array(line)
      .min(1)
      .max(LIMITS.lines)
      .openapi({ description: 'Lines with the same SKU are added up' }),
    paymentMode: z.enum(PAYMENT_MODES).default('debit').openapi({
      description:
        '`debit`: the money is taken when the order is paid. `hold`: it is held now, and captured when the order is paid',
    }),
    pay: z.boolean().optional().openapi({ description: 'Whether the order is paid at once' }),
    adjustments: adjustments.optional().openapi({
      description: 'What the shop takes off or adds, such as discounts and taxes. For merchants',
    }),
    total: money.optional().openapi({
      description: 'What the lines and adjustments come to by your own sum. Another sum rejects the order',
    }),
    reference: reference.optional(),
    metadata: metadata.optional(),
    contact: contactBody.optional(),
    deliveryNote: deliveryNote.optional(),
  })
  .superRefine(({ lines, adjustments: given = [] }, context) => {
    const priceOf = new Map<string, number>();
    for (const [index, { sku, unitPrice }] of lines.entries()) {
      const other = priceOf.get(sku);
      if (other !== undefined && unitPrice !== undefined && unitPrice !== other)
        context.addIssue({
          code: 'custom',
          params: INCOMPATIBLE,
          message: 'must be the same on every line of a SKU',
          path: ['lines', index, 'unitPrice'],
        });
      if (unitPrice !== undefined) priceOf.set(sku, unitPrice);
    }
    const ordered = new Set(lines.map(({ sku }) => sku));
    for (const [index, { sku }] of given.entries())
      if (sku !== undefined && !ordered.has(sku))
        context.addIssue({
          code: 'custom',
          params: INCOMPATIBLE,
          message: 'must be the SKU of a line of this order',
          path: ['adjustments', index, 'sku'],
        });
  })
  .openapi('CreateOrder');

export const cancelBody = z.strictObject({ reason }).openapi('CancelOrder');

export const ordersQuery = pageQuery('orders', byId).extend({
  stage: z.enum(STAGES).optional(),
  buyerId: party.optional(),
  reference: reference.optional().openapi({ description: 'Orders that have this reference' }),
  contactEmail: email
    .optional()
    .openapi({ description: 'Orders that were placed with this address, in one shop. For merchants' }),
});

export const eventsQuery = pageQuery('events', byNumber(LIMITS.versionDigits));

const stage = z.enum(RESTING_STAGES);

export const orderSchema = z
  .object({
    id,
    buyerId: party,
    walletId: id,
    stage,
    paymentMode: z.enum(PAYMENT_MODES),
    lines: z.array(
      z.object({
        sku: skuName,
        quantity: z.int().openapi({ example: 2 }),
        refundedQuantity: z.int().openapi({ example: 0, description: 'Units that were refunded so far' }),
        unitPrice: amount.nullable().openapi({ description: 'Null in an order that was never priced' }),
      }),
    ),
    total: z
      .object({ amount: amount.openapi({ example: 2500 }), currency })
      .nullable()
      .openapi({ description: 'Null in an order that was never priced, or that was rejected for its total' }),
    refunded: amount.openapi({
      example: 0,
      description: "Minor units of the total's currency that were given back so far",
    }),
    secured: amount.openapi({
      example: 0,
      description:
        'What payments in parts are to cover: `pending`, `authorised` and captured ones. Stays 0 in an order that its wallet pays at once',
    }),
    adjustments: adjustments
      .optional()
      .openapi({ description: 'As they were given. Missing if there are none' }),
    reference: reference.optional(),
    metadata: metadata.optional(),
    paymentDeadline: instant.openapi({ description: 'An order that is not paid by then expires' }),
    deadlineExtended: z
      .boolean()
      .openapi({ description: 'Whether the deadline was put off, once, because a payment was under way' }),
    createdAt: instant,
    updatedAt: instant,
    version: z.int().openapi({ example: 1, description: 'The number of stages recorded so far' }),
    reason: z.string().optional().openapi({ description: 'Why the order is in this stage' }),
    attention: attentionSchema.optional(),
    contact: contactSchema.optional(),
    deliveryNote: deliveryNote.optional().openapi({ description: 'As `contact`' }),
    workflowUrl: z.url().optional().openapi({
      description:
        'Where Temporal shows the workflow of this order. Only for operators, auditors and admins, from `GET /v1/orders/{id}`, and where `WEB_UI_URL` is set',
    }),
  })
  .openapi('Order');

export const orderPage = pageSchema(orderSchema, 'OrderPage');

const eventSchema = z
  .object({
    version: z.int().openapi({ example: 1 }),
    from: stage.nullable(),
    stage,
    reason: z.string().optional(),
    commandId: id
      .optional()
      .openapi({ description: 'The command that caused it. Missing if time caused it' }),
    at: instant,
  })
  .openapi('OrderEvent');

export const eventPage = pageSchema(eventSchema, 'OrderEventPage');

/** An order as callers see it, with its open mark, if any, and its personal fields, if they may be shown. */
export function toOrderReply(
  order: Order,
  mark?: OpenMark,
  { contact, deliveryNote: note }: PersonalData = {},
): z.output<typeof orderSchema> {
  const { id: orderId, buyerId, walletId, stage: at, paymentMode, lines, total, version } = order;
  return {
    id: orderId,
    buyerId,
    walletId,
    stage: at,
    paymentMode,
    lines,
    total: total === null || order.currency === null ? null : { amount: total, currency: order.currency },
    refunded: order.refunded,
    secured: order.secured,
    ...(order.adjustments.length > 0 && { adjustments: [...order.adjustments] }),
    ...(order.reference !== null && { reference: order.reference }),
    ...(order.metadata !== null && { metadata: order.metadata }),
    paymentDeadline: order.paymentDeadline.toISOString(),
    deadlineExtended: order.deadlineExtended,
    createdAt: order.createdAt.toISOString(),
    updatedAt: order.updatedAt.toISOString(),
    version,
    ...(order.reason !== null && { reason: order.reason }),
    ...(mark && { attention: toAttentionReply(mark) }),
    ...(contact && { contact }),
    ...(note !== undefined && { deliveryNote: note }),
  };
}

/** An order's event as callers see it. */
export function toEventReply({
  version,
  fromStage,
  stage: to,
  reason: why,
  commandId,
  at,
}: OrderEvent): z.output<typeof eventSchema> {
  return {
    version,
    from: fromStage,
    stage: to,
    ...(why !== null && { reason: why }),
    ...(commandId !== null && { commandId }),
    at: at.toISOString(),
  };
}
