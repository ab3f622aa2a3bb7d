/** Orders that need a person, and what people did to them, as callers see them. */
import { z } from '@hono/zod-openapi';
import type { InterventionRecord, OpenMark } from '../../db/attention.ts';
import { ATTENTION_REASONS, INTERVENTION_ACTIONS } from '../../domain/attention.ts';
import { STEPS } from '../../domain/order.ts';
import { byTime, pageQuery, pageSchema } from './page.ts';
import { id, instant } from './values.ts';

const mark = {
  reason: z.enum(ATTENTION_REASONS),
  step: z.enum(STEPS).openapi({ description: 'The step that keeps failing. It is still being retried' }),
  raisedAt: instant,
};

export const attentionSchema = z
  .object(mark)
  .openapi('Attention', { description: 'Present while the order needs a person' });

const markSchema = z
  .object({
    orderId: id,
    ...mark,
    workflowId: z.string().openapi({ example: 'order-01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44' }),
    shopId: z.string().openapi({ example: 'main' }),
  })
  .openapi('AttentionMark');

export const markPage = pageSchema(markSchema, 'AttentionPage');

/** A mark's position in the list: when it was raised, and by which workflow. */
const markPosition = byTime(({ at, of }) => ({ raisedAt: at, workflowId: of }));

export const attentionQuery = pageQuery('attention', markPosition);

export const formatMarkCursor = ({ raisedAt, workflowId }: OpenMark): string =>
  `${raisedAt.getTime()}.${workflowId}`;

const interventionSchema = z
  .object({
    action: z.enum(INTERVENTION_ACTIONS),
    actor: z.string().openapi({ example: 'dana@example.com' }),
    reason: z.string().openapi({ example: 'wallet repaired' }),
    step: z.enum(STEPS).optional().openapi({ description: 'The step that was failing, if any' }),
    at: instant,
    workflowId: z.string(),
    updateId: z.string(),
  })
  .openapi('Intervention');

export const interventionList = z.object({ items: z.array(interventionSchema) }).openapi('InterventionList');

export const toAttentionReply = ({
  reason,
  step,
  raisedAt,
}: Pick<OpenMark, 'reason' | 'step' | 'raisedAt'>): z.output<typeof attentionSchema> => ({
  reason,
  step,
  raisedAt: raisedAt.toISOString(),
});

export const toMarkReply = (row: OpenMark): z.output<typeof markSchema> => ({
  orderId: row.orderId,
  ...toAttentionReply(row),
  workflowId: row.workflowId,
  shopId: row.shopId,
});

export const toInterventionReply = ({
  action,
  actor,
  reason,
  step,
  at,
  workflowId,
  updateId,
}: InterventionRecord): z.output<typeof interventionSchema> => ({
  action,
  actor,
  reason,
  ...(step !== null && { step }),
  at: at.toISOString(),
  workflowId,
  updateId,
});
