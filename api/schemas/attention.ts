import { z } from '@hono/zod-openapi';
import type { InterventionRecord, OpenMark } from '../../db/attention.ts';
import { ATTENTION_REASONS, INTERVENTION_ACTIONS } from '../../domain/attention.ts';
import { STEPS } from '../../domain/order.ts';
import { pageQuery, pageSchema, placeInTime } from './page.ts';
import { id, instant } from './values.ts';

const mark = {
  reason: z.enum(ATTENTION_REASONS),
  step: z.enum(STEPS).openapi({ description: 'The step that keeps failing; it goes on being tried' }),
  raisedAt: instant,
};

export const attentionSchema = z
  .object(mark)
  .openapi('Attention', { description: 'There while a person has to look at the order' });

const markSchema = z
  .object({
    orderId: id,
    ...mark,
    workflowId: z.string().openapi({ example: 'order-01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44' }),
  })
  .openapi('AttentionMark');

export const markPage = pageSchema(markSchema, 'AttentionPage');

/** A mark's place in the list: when it was raised, and by which workflow. */
const place = placeInTime.transform(({ at, of }) => ({ raisedAt: at, workflowId: of }));

export const attentionQuery = pageQuery('attention', place);

export const placeOfMark = ({ raisedAt, workflowId }: OpenMark): string =>
  `${raisedAt.getTime()}/${workflowId}`;

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

export const attentionReply = ({
  reason,
  step,
  raisedAt,
}: Pick<OpenMark, 'reason' | 'step' | 'raisedAt'>): z.output<typeof attentionSchema> => ({
  reason,
  step,
  raisedAt: raisedAt.toISOString(),
});

export const markReply = (row: OpenMark): z.output<typeof markSchema> => ({
  orderId: row.orderId,
  ...attentionReply(row),
  workflowId: row.workflowId,
});

export const interventionReply = ({
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
