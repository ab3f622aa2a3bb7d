/** What reconciliation found, and what people decided about it, as callers send and see it. */
import { z } from '@hono/zod-openapi';
import type { FindingRow } from '../../db/findings.ts';
import { FINDING_STATES } from '../../db/schema/operations.ts';
import { CHOICES, DECIDED, WHAT_IT_DOES } from '../../domain/decisions.ts';
import { FINDING_KINDS } from '../../domain/rules.ts';
import { TEXT } from '../../domain/text.ts';
import type { OfferedChoice } from '../findings/read.ts';
import { byId, pageQuery, pageSchema } from './page.ts';
import { id, instant, reason, text } from './values.ts';

const kind = z.enum(FINDING_KINDS);
const state = z.enum(FINDING_STATES).openapi({
  description:
    '`repaired`: it was repaired. `resolved`: a person decided what becomes of it. `gone`: a later run no longer found it',
});

export const findingParams = z.strictObject({ id });

export const findingsQuery = pageQuery('findings', byId).extend({
  state: state.optional(),
  kind: kind.optional(),
});

const actor = text(TEXT.actor).openapi({
  example: 'dana@example.com',
  description: 'Who decides. The audit also names the caller',
});

const choice = z.enum(CHOICES).openapi({
  description: CHOICES.map((name) => `- \`${name}\`: ${WHAT_IT_DOES[name]}`).join('\n'),
});

export const resolveBody = z.strictObject({ choice, actor, reason }).openapi('ResolveFinding');
export const repairBody = z.strictObject({ actor, reason }).openapi('RepairFinding');

const change = { before: z.unknown(), after: z.unknown(), at: instant };

const members = {
  id,
  kind,
  subject: z.string().openapi({
    description:
      'The order, SKU or wallet, or two of them with a slash between. For figures: the day, currency and SKU. For `look_failed`: the kind that could not be checked, then a slash and where',
  }),
  orderId: id.optional(),
  finding: z.string().openapi({ description: 'What is wrong, with the values that disagree' }),
  state,
  firstSeen: instant,
  lastSeen: instant,
  endedAt: instant.optional(),
  done: z.string().optional().openapi({ description: 'What was done about it' }),
  repair: z.object(change).optional().openapi({ description: 'What was changed' }),
  decision: z
    .object({
      choice: z.enum(DECIDED),
      actor: z.string().openapi({ example: 'dana@example.com' }),
      reason: z.string(),
      ...change,
    })
    .optional()
    .openapi({
      description:
        'What a person decided, and what that changed of the order. `repair`: they asked for the repair',
    }),
};

export const findingSchema = z.object(members).openapi('Finding');

export const findingPage = pageSchema(findingSchema, 'FindingPage');

const offered = z
  .object({
    choice,
    does: z.string().openapi({ description: 'What it does, for people' }),
    allowed: z.boolean(),
    because: z
      .string()
      .optional()
      .openapi({ description: 'Why it is not allowed, or what would still be wrong' }),
  })
  .openapi('FindingChoice');

export const findingToDecide = z
  .object({
    ...members,
    choices: z.array(offered).openapi({
      description:
        'What may be decided while the finding is open. Each was tried for this answer, and rolled back: what is allowed keeps every rule',
    }),
    repairable: z
      .boolean()
      .openapi({ description: 'Whether it can be repaired with `POST /v1/findings/{id}/repair`' }),
  })
  .openapi('FindingToDecide');

export const toFindingReply = (row: FindingRow): z.output<typeof findingSchema> => ({
  id: row.id,
  kind: row.kind,
  subject: row.subject,
  ...(row.orderId !== null && { orderId: row.orderId }),
  finding: row.finding,
  state: row.state,
  firstSeen: row.firstSeen.toISOString(),
  lastSeen: row.lastSeen.toISOString(),
  ...(row.endedAt !== null && { endedAt: row.endedAt.toISOString() }),
  ...(row.done !== null && { done: row.done }),
  ...(row.repair !== null && {
    repair: { before: row.repair.before, after: row.repair.after, at: row.repair.at.toISOString() },
  }),
  ...(row.decision !== null && {
    decision: {
      choice: row.decision.choice,
      actor: row.decision.actor,
      reason: row.decision.reason,
      before: row.decision.before,
      after: row.decision.after,
      at: row.decision.at.toISOString(),
    },
  }),
});

export const toFindingToDecide = (
  row: FindingRow,
  { choices, repairable }: { choices: readonly OfferedChoice[]; repairable: boolean },
): z.output<typeof findingToDecide> => ({
  ...toFindingReply(row),
  choices: choices.map(({ because, ...one }) => ({ ...one, ...(because !== null && { because }) })),
  repairable,
});
