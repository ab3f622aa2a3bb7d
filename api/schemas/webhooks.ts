/** Webhooks, as callers register and see them. */
import { z } from '@hono/zod-openapi';
import type { Webhook } from '../../db/webhooks/webhooks.ts';
import { EVENT_ID_PATTERN, ORDER_EVENT_TYPES } from '../../domain/events.ts';
import { TEXT } from '../../domain/text.ts';
import { DISABLED_REASONS, LONGEST_URL, WEBHOOK_STATES } from '../../domain/webhooks.ts';
import { INCOMPATIBLE } from '../problems/invalid-request.ts';
import { byId, pageQuery, pageSchema } from './page.ts';
import { id, instant, text, time, whole } from './values.ts';

const LONGEST_OVERLAP_S = 2_592_000;

export const webhookParams = z.strictObject({ id });

/** In the one spelling in which it is stored. */
const url = z
  .string()
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  .transform((given, context) => {
    const parsed = URL.parse(given);
    if (parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.href.length <= LONGEST_URL)
      return parsed.href;
    context.addIssue('must be an address that begins with https://');
    return z.NEVER;
  })
  .openapi({
    type: 'string',
    format: 'uri',
    pattern: '^https?://',
    example: 'https://shop.example.com/holdfast-events',
    description: '`https://`, and in a network that webhooks are sent to',
  });

const types = z
  .array(z.enum(ORDER_EVENT_TYPES))
  .min(1, 'must name at least one type, or be null')
  .max(ORDER_EVENT_TYPES.length)
  .refine((some) => new Set(some).size === some.length, 'must name each type once')
  .nullable()
  .openapi({
    example: ['order.paid', 'order.expired'],
    uniqueItems: true,
    description: 'Which events are sent; null for all, also those that later releases add',
  });

const description = text(TEXT.title).nullable().openapi({ example: 'the warehouse' });

export const createWebhookBody = z
  .strictObject({
    url,
    description: description.optional(),
    types: types.optional(),
  })
  .openapi('CreateWebhook');

export const changeWebhookBody = z
  .strictObject({
    url: url.optional(),
    description: description.optional(),
    types: types.optional(),
    enabled: z.boolean().optional().openapi({
      description:
        'False: nothing is sent any more, and what happens in the meantime is not sent later. True: sending begins again, with all that waits',
    }),
  })
  .refine((change) => Object.keys(change).length > 0, 'must have something to change')
  .openapi('ChangeWebhook', { minProperties: 1 });

export const rotateSecretBody = z
  .strictObject({
    overlapSeconds: whole(0, LONGEST_OVERLAP_S).openapi({
      example: 86_400,
      description: 'How long the secrets that the webhook has until now go on signing; 0 ends them at once',
    }),
  })
  .openapi('RotateWebhookSecret');

const oneEvent = z
  .strictObject({
    eventId: z
      .string()
      .regex(new RegExp(EVENT_ID_PATTERN), 'must be the id of an event')
      .openapi({ example: '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44-2' }),
  })
  .openapi('RedeliverEvent');

const range = z
  .strictObject({
    from: time.openapi({ description: 'The first instant of a range' }),
    to: time.openapi({ description: 'The instant after a range: later than `from`' }),
  })
  .refine(({ from, to }) => from < to, { path: ['to'], params: INCOMPATIBLE, error: 'must be after `from`' })
  .openapi('RedeliverRange');

export const redeliverBody = z
  .union([oneEvent, range], { error: 'must have either `eventId`, or `from` and `to`' })
  .openapi('Redeliver');

export const redeliveredSchema = z
  .object({ events: z.int().openapi({ example: 42, description: 'How many events will be sent' }) })
  .openapi('Redelivered');

export const webhookSchema = z
  .object({
    id,
    url: z.string().openapi({ example: 'https://shop.example.com/holdfast-events' }),
    description: z.string().nullable(),
    types: z.array(z.string()).nullable().openapi({ description: 'Null for all' }),
    state: z.enum(WEBHOOK_STATES),
    disabledReason: z.enum(DISABLED_REASONS).nullable().openapi({
      description:
        '`owner`: switched off. `failing`: every attempt failed for too long. `gone`: it answered 410. For the last two, events wait until it is switched on again',
    }),
    failingSince: instant
      .nullable()
      .openapi({ description: 'The first failure since the last event that was taken; null while it works' }),
    createdAt: instant,
    createdBy: z.string().openapi({ example: 'key:k7x2mfq4tzab' }),
    updatedAt: instant,
  })
  .openapi('Webhook');

const secret = z.string().optional().openapi({
  example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  description:
    'Signs the events. Verify them with it. It is in the first answer alone: a replayed answer has none. When it was lost, rotate it.',
});

export const shownWebhookSchema = webhookSchema.extend({ secret }).openapi('ShownWebhook');

export const rotatedSecretSchema = z
  .object({
    createdAt: instant,
    othersUntil: instant
      .nullable()
      .openapi({ description: 'Until when an earlier secret signs as well; null when none does' }),
  })
  .openapi('RotatedWebhookSecret');

export const shownSecretSchema = rotatedSecretSchema.extend({ secret }).openapi('ShownWebhookSecret');

export const webhookPage = pageSchema(webhookSchema, 'WebhookPage');
export const webhooksQuery = pageQuery('webhooks', byId);

/** A webhook as callers see it. */
export function toWebhookReply(webhook: Webhook): z.output<typeof webhookSchema> {
  return {
    id: webhook.id,
    url: webhook.url,
    description: webhook.description,
    types: webhook.types && [...webhook.types],
    state: webhook.state,
    disabledReason: webhook.disabledReason,
    failingSince: webhook.failingSince?.toISOString() ?? null,
    createdAt: webhook.createdAt.toISOString(),
    createdBy: webhook.createdBy,
    updatedAt: webhook.updatedAt.toISOString(),
  };
}
