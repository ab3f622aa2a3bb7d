/** Which rows of the audit somebody asks for. */
import type { AuditKind } from '../../domain/audit.ts';
import type { Fragment, Queryable } from '../postgres.ts';

export interface AuditFilter {
  orderId?: string | undefined;
  subject?: string | undefined;
  kind?: AuditKind | undefined;
  actor?: string | undefined;
  shopId?: string | undefined;
}

export interface AuditPeriod {
  /** Recorded at this instant or later. */
  from?: Date | undefined;
  /** Recorded before this instant. */
  to?: Date | undefined;
}

export const matches = (
  sql: Queryable,
  { orderId, subject, kind, actor, shopId }: AuditFilter,
): Fragment => sql`
  ${orderId === undefined ? sql`` : sql`and order_id = ${orderId}`}
  ${subject === undefined ? sql`` : sql`and subject = ${subject}`}
  ${kind === undefined ? sql`` : sql`and kind = ${kind}`}
  ${actor === undefined ? sql`` : sql`and actor = ${actor}`}
  ${shopId === undefined ? sql`` : sql`and shop_id = ${shopId}`}
`;

export const isInPeriod = (sql: Queryable, { from, to }: AuditPeriod): Fragment => sql`
  ${from === undefined ? sql`` : sql`and audit.recorded_at >= ${from}`}
  ${to === undefined ? sql`` : sql`and audit.recorded_at < ${to}`}
`;
