/** What a person does about an order or a payment, as callers ask for it and see what came of it. */
import { z } from '@hono/zod-openapi';
import { INTERVENTION_ACTIONS, LONGEST_EXTENSION_MS } from '../../domain/attention.ts';
import { STEPS } from '../../domain/order.ts';
import { STAGES } from '../../domain/stages.ts';
import { TEXT } from '../../domain/text.ts';
import { OWED_OUTCOMES, PAYMENT_OUTCOMES } from '../../domain/payments.ts';
import { instant, reason, text, whole } from './values.ts';

const signed = {
  actor: text(TEXT.actor).openapi({
    example: 'dana',
    description: 'The person who acts. Kept with the reason, and shown to everyone who views the order',
  }),
  reason: reason.openapi({ example: 'wallet repaired' }),
};

const workflowId = z
  .string()
  .regex(/^(order|refund|payment)-[0-9a-f-]{36,73}$/, 'must be the id of a workflow of this order')
  .optional()
  .openapi({
    description:
      'The workflow of the order, of one of its refunds or of one of its payments. Left out, it is the one that the oldest open mark names, or else the order',
  });

const retryNow = z
  .strictObject({ action: z.literal('retry_now'), ...signed, workflowId })
  .openapi('RetryNow', { description: 'Tries the failing step again at once' });

const skipStep = z
  .strictObject({
    action: z.literal('skip_step'),
    ...signed,
    step: z.enum(STEPS).openapi({
      example: 'pay',
      description: 'The step that fails, so that no other one is skipped. Only a payment can be',
    }),
    workflowId,
  })
  .openapi('SkipStep', { description: 'Skips a payment that keeps failing; the buyer may pay again' });

const giveUp = z.strictObject({ action: z.literal('give_up'), ...signed }).openapi('GiveUp', {
  description: 'Ends an unpaid order: what it holds is released, what was paid refunded',
});

const extendDeadline = z
  .strictObject({
    action: z.literal('extend_deadline'),
    ...signed,
    extendBySeconds: whole(1, LONGEST_EXTENSION_MS / 1_000).openapi({
      example: 3_600,
      description: 'Added to `paymentDeadline`. The new deadline may be at most 7 days ahead',
    }),
  })
  .openapi('ExtendDeadline', { description: 'Puts the deadline of an order off that awaits payment' });

export const interveneBody = z
  .discriminatedUnion('action', [retryNow, skipStep, giveUp, extendDeadline])
  .openapi('Intervene');

export const intervenedSchema = z
  .object({
    action: z.enum(INTERVENTION_ACTIONS),
    stage: z.enum(STAGES).openapi({ description: 'Where the order is now' }),
    step: z.enum(STEPS).optional().openapi({ description: 'The step that was acted on, if one was failing' }),
    paymentDeadline: instant.optional().openapi({ description: 'With `extend_deadline`: the new one' }),
  })
  .openapi('Intervened');

export type Intervened = z.output<typeof intervenedSchema>;

export const resolveBody = z
  .strictObject({
    ...signed,
    outcome: z.enum([...PAYMENT_OUTCOMES, ...OWED_OUTCOMES]).openapi({
      example: 'declined',
      description: [
        'How a payment that stays unknown stands at its provider: `declined`, `voided`, `captured` or `authorised`.',
        'Or, of money that its provider does not give back: `refunded` when somebody gave it back by hand, `to_wallet` to put it into the wallet of the order.',
      ].join(' '),
    }),
  })
  .openapi('ResolvePayment');
