/** The audit as callers see it. */
import { z } from '@hono/zod-openapi';
import type { AuditEntry } from '../../db/audit/read.ts';
import { AUDIT_KINDS } from '../../domain/audit.ts';
import { byNumber, pageQuery, pageSchema } from './page.ts';
import { LIMITS, id, instant, text, time } from './values.ts';

/** As long as the longest subject of a token, with its issuer. */
const name = text({ max: 600, trimmed: false, lines: false });

/** A row's position in the list: its number. */
const position = byNumber(LIMITS.digits);

const kind = z.enum(AUDIT_KINDS);

export const auditQuery = pageQuery('audit', position).extend({
  orderId: id.optional(),
  subject: name.optional(),
  kind: kind.optional(),
  actor: name.optional(),
  from: time.optional().openapi({ description: 'Recorded at this time or later' }),
  to: time.optional().openapi({ description: 'Recorded before this time' }),
});

const hash = z.string().openapi({ pattern: '^[0-9a-f]{64}$' });
const values = z.unknown();

const entrySchema = z
  .object({
    seq: z.int().openapi({ description: 'Its number in the chain', example: 4711 }),
    recordedAt: instant.openapi({ description: 'In UTC, with microseconds' }),
    kind,
    shopId: z.string().optional(),
    subject: z
      .string()
      .openapi({ description: 'Which one: the id of an order, wallet or key, or a shop/SKU' }),
    orderId: id.optional().openapi({ description: 'The order that it belongs to' }),
    commandId: id.optional(),
    actor: z.string().openapi({
      example: 'key:4f2k7q3m5x7z',
      description:
        'Who: a key, the subject of a token, `holdfast` itself, `command:` and an operator\u2019s command, `operator:` and who intervened, `database:` and who changed it by hand',
    }),
    requestId: z
      .string()
      .optional()
      .openapi({ description: '`X-Request-Id` of the request that sent the command' }),
    why: z.string().optional(),
    before: values.openapi({ description: 'Null for what is new' }),
    after: values.openapi({ description: 'Null for what is gone' }),
    previousHash: hash,
    hash,
    sealedAt: instant,
  })
  .openapi('AuditEntry');

export const auditPage = pageSchema(entrySchema, 'AuditPage');

export const toAuditReply = (row: AuditEntry): z.output<typeof entrySchema> => ({
  seq: row.seq,
  recordedAt: row.recordedAt,
  // The database has a CHECK of these.
  kind: kind.parse(row.kind),
  ...(row.shopId !== null && { shopId: row.shopId }),
  subject: row.subject,
  ...(row.orderId !== null && { orderId: row.orderId }),
  ...(row.commandId !== null && { commandId: row.commandId }),
  actor: row.actor,
  ...(row.requestId !== null && { requestId: row.requestId }),
  ...(row.why !== null && { why: row.why }),
  before: row.before,
  after: row.after,
  previousHash: row.previousHash,
  hash: row.hash,
  sealedAt: row.sealedAt,
});
