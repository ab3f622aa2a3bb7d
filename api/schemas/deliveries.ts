/** What was sent to a webhook, as callers see it. */
import { z } from '@hono/zod-openapi';
import type { Delivery, RecordedAttempt } from '../../db/webhooks/deliveries.ts';
import { EVENT_ID_PATTERN, EVENT_TYPES } from '../../domain/events.ts';
import { ATTEMPT_FAILURES } from '../../domain/webhook-attempts.ts';
import { DELIVERY_KINDS, DELIVERY_STATES } from '../../domain/webhooks.ts';
import { pageQuery, pageSchema } from './page.ts';
import { LIMITS, digits, id, instant } from './values.ts';

export const deliveryParams = z.strictObject({ id, deliveryId: id });

const state = z.enum(DELIVERY_STATES).openapi({
  description: '`given_up`: it failed for three days, or what it is about is no longer kept',
});

const ANY_EVENT = `(${EVENT_ID_PATTERN})|^test-`;

export const deliveriesQuery = pageQuery('deliveries', id).extend({
  state: state.optional(),
  eventId: z
    .string()
    .max(60)
    .regex(new RegExp(ANY_EVENT), 'must be the id of an event')
    .optional()
    .openapi({ description: 'Of this event alone', example: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44-2' }),
});

const deliverySchema = z
  .object({
    id,
    eventId: z.string().openapi({
      example: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44-2',
      description: 'The `webhook-id` of what is sent',
    }),
    type: z.enum(EVENT_TYPES),
    kind: z.enum(DELIVERY_KINDS).openapi({
      description:
        '`event`: sent because it happened. `redelivery`: once more, because somebody asked for it. `test`: a test event',
    }),
    orderId: id.nullable().openapi({ description: 'Null for a test event' }),
    version: z.int().nullable(),
    sequence: z.int().nullable(),
    state,
    attempts: z.int().openapi({ example: 1 }),
    nextAttemptAt: instant.nullable().openapi({
      description:
        'Not before this time, and not before the earlier events of the order have ended. Null once it has ended',
    }),
    createdAt: instant,
    endedAt: instant.nullable(),
  })
  .openapi('Delivery');

export { deliverySchema };
export const deliveryPage = pageSchema(deliverySchema, 'DeliveryPage');

const failures = Object.entries(ATTEMPT_FAILURES).map(([code, sentence]) => `- \`${code}\`: ${sentence}`);

const attemptSchema = z
  .object({
    number: z.int().openapi({ example: 1 }),
    at: instant,
    durationMs: z.int().openapi({ example: 38 }),
    status: z.int().nullable().openapi({ example: 204, description: 'Of the answer; null without one' }),
    failure: z
      .enum(Object.keys(ATTEMPT_FAILURES))
      .nullable()
      .openapi({ description: `Null when the receiver took it.\n${failures.join('\n')}` }),
    cause: z.string().nullable().openapi({
      example: 'ECONNREFUSED',
      description: 'The code of a failed connection; null for the rest',
    }),
  })
  .openapi('DeliveryAttempt');

export const attemptPage = pageSchema(attemptSchema, 'DeliveryAttemptPage');
/** An attempt's position in the list: its number. */
export const attemptsQuery = pageQuery('attempts', digits(1, LIMITS.version));

export function toDeliveryReply(delivery: Delivery): z.output<typeof deliverySchema> {
  const isPending = delivery.state === 'pending';
  return {
    id: delivery.id,
    eventId: delivery.eventId,
    type: delivery.type,
    kind: delivery.kind,
    orderId: delivery.orderId,
    version: delivery.version,
    sequence: delivery.sequence,
    state: delivery.state,
    attempts: delivery.attempts,
    nextAttemptAt: isPending ? delivery.dueAt.toISOString() : null,
    createdAt: delivery.createdAt.toISOString(),
    endedAt: delivery.endedAt?.toISOString() ?? null,
  };
}

export const toAttemptReply = (attempt: RecordedAttempt): z.output<typeof attemptSchema> => ({
  number: attempt.number,
  at: attempt.at.toISOString(),
  durationMs: attempt.durationMs,
  status: attempt.status,
  failure: attempt.failure,
  cause: attempt.cause,
});
