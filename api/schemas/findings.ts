/** What reconciliation found, as callers see it. */
import { z } from '@hono/zod-openapi';
import type { FindingRow } from '../../db/findings.ts';
import { FINDING_STATES } from '../../db/schema/operations.ts';
import { FINDING_KINDS } from '../../domain/rules.ts';
import { byId, pageQuery, pageSchema } from './page.ts';
import { id, instant } from './values.ts';

const kind = z.enum(FINDING_KINDS);
const state = z.enum(FINDING_STATES).openapi({
  description: '`repaired`: reconciliation repaired it. `gone`: a later run no longer found it',
});

export const findingsQuery = pageQuery('findings', byId).extend({
  state: state.optional(),
  kind: kind.optional(),
});

const findingSchema = z
  .object({
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
    repair: z
      .object({ before: z.unknown(), after: z.unknown(), at: instant })
      .optional()
      .openapi({ description: 'What was changed' }),
  })
  .openapi('Finding');

export const findingPage = pageSchema(findingSchema, 'FindingPage');

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
});
