/** Measurements and alerts as callers see them. */
import { z } from '@hono/zod-openapi';
import { ALERT_STATES, type AlertWithNotices, type ListedNotice } from '../../db/monitor/alerts.ts';
import type { Measurement, MeasurementCursor } from '../../db/monitor/measurements.ts';
import { ALERT_RECEIVERS } from '../../domain/alert-receivers.ts';
import { ALERT_EVENTS, ALERT_RULES, MEASURES } from '../../domain/measures.ts';
import { byId, byTime, pageQuery, pageSchema } from './page.ts';
import { id, instant, time } from './values.ts';

const name = z.enum(MEASURES);
const value = z.number().openapi({
  example: 0.02,
  description: 'Seconds, a share from 0 to 1, or a count, depending on the measure',
});
const subjects = z
  .array(z.string())
  .openapi({ description: 'What was counted, at most 20: order ids, buyer ids or SKUs' });

/** A measurement's position in the list: its minute and name. */
const measurementPosition = byTime(
  ({ at, of }): MeasurementCursor => ({ minute: at, name: name.parse(of) }),
  MEASURES.join('|'),
);

export const measurementsQuery = pageQuery('measurements', measurementPosition).extend({
  name: name.optional(),
  from: time.optional(),
  to: time.optional(),
});

const measurementSchema = z
  .object({ minute: instant, name, value, subjects })
  .openapi('Measurement', { description: 'A minute without a measurement was not measured' });

export const measurementPage = pageSchema(measurementSchema, 'MeasurementPage');

export const formatMeasurementCursor = ({ minute, name: measured }: MeasurementCursor): string =>
  `${minute.getTime()}.${measured}`;

export const toMeasurementReply = (row: Measurement): z.output<typeof measurementSchema> => ({
  minute: row.minute.toISOString(),
  name: row.name,
  value: row.value,
  subjects: row.subjects,
});

export const alertsQuery = pageQuery('alerts', byId).extend({
  state: z.enum(ALERT_STATES).optional(),
  name: name.optional(),
});

const alertSchema = z
  .object({
    id,
    name,
    state: z.enum(ALERT_STATES),
    alertWhen: z
      .enum(['above', 'below'])
      .openapi({ description: 'The side of the threshold on which the alert opens' }),
    threshold: z.number().openapi({ description: 'The threshold when the alert opened' }),
    value: value.openapi({
      description: 'The latest value. If the alert is closed, the value that closed it',
    }),
    worst: value.openapi({ description: 'The value farthest from the threshold' }),
    subjects,
    openedAt: instant,
    closedAt: instant.optional(),
    notices: z
      .array(
        z.object({
          event: z.enum(ALERT_EVENTS),
          at: instant,
          deliveredAt: instant
            .optional()
            .openapi({ description: 'When the last of the receivers took it; missing while one has not' }),
          deliveries: z
            .array(z.object({ receiver: z.enum(ALERT_RECEIVERS), deliveredAt: instant.optional() }))
            .openapi({
              description: 'One for each receiver that is to get it; none when there was no receiver',
            }),
        }),
      )
      .openapi({ description: 'What is sent to the receivers of alerts' }),
  })
  .openapi('Alert');

export const alertPage = pageSchema(alertSchema, 'AlertPage');

export const toAlertReply = (row: AlertWithNotices): z.output<typeof alertSchema> => ({
  id: row.id,
  name: row.name,
  state: row.closedAt === null ? 'open' : 'closed',
  alertWhen: ALERT_RULES[row.name].opens,
  threshold: row.threshold,
  value: row.value,
  worst: row.worst,
  subjects: row.subjects,
  openedAt: row.openedAt.toISOString(),
  ...(row.closedAt !== null && { closedAt: row.closedAt.toISOString() }),
  notices: row.notices.map(toNoticeReply),
});

function toNoticeReply({
  event,
  at,
  deliveries,
}: ListedNotice): z.output<typeof alertSchema>['notices'][number] {
  const times = deliveries.flatMap(({ deliveredAt }) => deliveredAt?.toISOString() ?? []);
  const last = times.length === deliveries.length ? times.toSorted().at(-1) : undefined;
  return {
    event,
    at: at.toISOString(),
    ...(last !== undefined && { deliveredAt: last }),
    deliveries: deliveries.map(({ receiver, deliveredAt }) => ({
      receiver,
      ...(deliveredAt !== null && { deliveredAt: deliveredAt.toISOString() }),
    })),
  };
}
