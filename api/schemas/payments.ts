/** Payments of orders in parts, as callers ask for them and see them, and what a provider notifies. */
import { z } from '@hono/zod-openapi';
import type { Payment } from '../../db/payments/payments.ts';
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import { PAYMENT_METHODS, PAYMENT_STATES } from '../../domain/payments.ts';
import { TEXT } from '../../domain/text.ts';
import { byId, pageQuery, pageSchema } from './page.ts';
import { amount, currency, id, instant, text, whole } from './values.ts';

export const paymentParams = z.strictObject({ id });

const part = whole(1, TOTAL_LIMIT).optional().openapi({
  example: 1250,
  description: "Minor units of the order's currency. Left out for all that is not secured yet",
});

const byWallet = z
  .strictObject({ method: z.literal('wallet'), amount: part })
  .openapi('PayByWallet', { description: "From the order's own wallet" });

const byProvider = z
  .strictObject({
    method: z.literal('provider'),
    amount: part,
    source: text(TEXT.paymentSource).openapi({
      example: 'tok_visa',
      description: 'What the buyer pays with, as the payment provider gave it to the shop. It is never shown',
    }),
  })
  .openapi('PayByProvider', { description: 'From outside, through the payment provider' });

export const addPaymentBody = z.discriminatedUnion('method', [byWallet, byProvider]).openapi('AddPayment');

export const paymentsQuery = pageQuery('payments', byId);

export const paymentSchema = z
  .object({
    id,
    orderId: id,
    method: z.enum(PAYMENT_METHODS),
    amount,
    currency,
    state: z.enum(PAYMENT_STATES).openapi({
      description: [
        '- `pending`: asked for, and not known yet',
        '- `authorised`: the money is set aside for the order',
        '- `capturing`: the order takes it; whether it is taken is not known yet',
        '- `captured`: taken',
        '- `declined`: refused',
        '- `voided`: given up before it was captured',
        '- `returned`: captured although the order could not use it, and given back as a whole',
      ].join('\n'),
    }),
    secures: z
      .boolean()
      .openapi({ description: 'Whether the order counts on it. Once it does not, it never does again' }),
    refunded: amount.openapi({
      example: 0,
      description: 'What of it refunds of the order have given back, or are about to',
    }),
    reason: z
      .string()
      .optional()
      .openapi({ description: 'Why it was declined, voided or returned, or is about to be' }),
    createdAt: instant,
    updatedAt: instant,
  })
  .openapi('Payment');

export const paymentPage = pageSchema(paymentSchema, 'PaymentPage');

const named = text(TEXT.providerId);

/** Loose: a provider may add fields at any time. */
export const paymentNotificationBody = z
  .looseObject({
    type: named.openapi({ example: 'payment.authorised' }),
    data: z
      .looseObject({
        reference: named.openapi({ description: 'Whose payment it is about: the id that it has here' }),
        id: named.openapi({ description: "The payment's id at the provider" }),
      })
      .openapi({ description: 'Everything else in it is ignored: the provider is asked' }),
  })
  .openapi('PaymentNotification');

export const toPaymentReply = ({
  id: paymentId,
  orderId,
  method,
  amount: asked,
  currency: of,
  state,
  secures,
  refunded,
  reason,
  openedAt,
  updatedAt,
}: Payment): z.output<typeof paymentSchema> => ({
  id: paymentId,
  orderId,
  method,
  amount: asked,
  currency: of,
  state,
  secures,
  refunded,
  ...(reason !== null && { reason }),
  createdAt: openedAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
});
