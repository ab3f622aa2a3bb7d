/** Keeps measurements, and opens and closes alerts by them. */
import { and, asc, desc, eq, gt, gte, lt, lte, or } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Measure } from '../../domain/measures.ts';
import type { Database } from '../connection.ts';
import { measurement } from '../schema/operations.ts';
import type { Measured } from './measures.ts';

/** A measurement, compared with its threshold. */
export interface Judged extends Measured {
  name: Measure;
  threshold: number;
  crossed: boolean;
}

/** Any number that nothing else locks. */
export const MONITOR_LOCK = 7_260_511;

/**
 * Keeps what a run measured, and opens, updates and closes alerts by it, with a notice of each opening and closing, for each
 * receiver. Keeping it again
 * does nothing, and a late run does not undo what a later run did.
 * @param at the run's time, ISO 8601.
 */
export async function keepMeasurements(
  database: Database,
  at: string,
  judged: readonly Judged[],
): Promise<void> {
  const minute = `${at.slice(0, 16)}:00.000Z`;
  // Each gets an id, for the alert that it may open.
  const rows = JSON.stringify(judged.map((one) => ({ alertId: uuidv7(), ...one })));
  await database.transaction(async (transaction) => {
    // Two runs at once judge one after the other, so that the second sees what the first did.
    await transaction`select pg_advisory_xact_lock(${MONITOR_LOCK})`;
    await transaction`
        with judged as materialized (
          select "alertId" as alert_id, name, value, subjects, threshold, crossed
          from jsonb_to_recordset(${rows}::text::jsonb)
            as row ("alertId" uuid, name text, value double precision, subjects json, threshold double precision, crossed boolean)
        ),
        claim as (
          insert into measurement (minute, name, value, subjects, at)
          select ${minute}::timestamptz, name, value, subjects, ${at}::timestamptz from judged
          on conflict (minute, name) do update
            set value = excluded.value, subjects = excluded.subjects, at = excluded.at
            where measurement.at < excluded.at
          returning name
        ),
        newest as (
          select judged.*
          from judged join claim using (name)
          where not exists (
            select from measurement as later
            where later.minute >= ${minute}::timestamptz and later.name = judged.name and later.at > ${at}::timestamptz
          )
        ),
        opened as (
          insert into alert (id, name, opened_at, threshold, value, worst, subjects)
          select alert_id, name, ${at}::timestamptz, threshold, value, value, subjects from newest where crossed
          on conflict (name) where closed_at is null do update
            set
              value = excluded.value,
              subjects = excluded.subjects,
              worst = case
                when abs(excluded.value - alert.threshold) > abs(alert.worst - alert.threshold) then excluded.value
                else alert.worst
              end
          returning id
        ),
        closed as (
          update alert set closed_at = ${at}::timestamptz, value = newest.value, subjects = newest.subjects
          from newest
          where alert.name = newest.name and alert.closed_at is null and not newest.crossed
          returning alert.id, alert.name
        ),
        noticed as (
          insert into alert_notice (alert_id, event, at, value, subjects)
          -- An alert that was open before has another id, and so no notice.
          select id, 'opened', ${at}::timestamptz, value, subjects from opened join newest on newest.alert_id = opened.id
          union all
          select id, 'closed', ${at}::timestamptz, value, subjects from closed join newest using (name)
          returning alert_id, event
        )
        insert into alert_delivery (alert_id, event, receiver)
        select alert_id, event, receiver from noticed cross join alert_receiver
      `;
  });
}

export type Measurement = typeof measurement.$inferSelect;

/** Where a page of measurements ends. */
export type MeasurementCursor = Pick<Measurement, 'minute' | 'name'>;

export interface MeasurementFilter {
  name?: Measure | undefined;
  /** The first minute, included. */
  from?: Date | undefined;
  /** The last minute, excluded. */
  to?: Date | undefined;
}

/** Measurements, newest first and by name within a minute. */
export function listMeasurements(
  database: Database,
  { name, from, to }: MeasurementFilter,
  { after, limit }: { after: MeasurementCursor | undefined; limit: number },
): Promise<Measurement[]> {
  return database.run(({ orm }) =>
    orm
      .select()
      .from(measurement)
      .where(
        and(
          name && eq(measurement.name, name),
          from && gte(measurement.minute, from),
          to && lt(measurement.minute, to),
          // The condition below, less exact, for the index.
          after && lte(measurement.minute, after.minute),
          after &&
            or(
              lt(measurement.minute, after.minute),
              and(eq(measurement.minute, after.minute), gt(measurement.name, after.name)),
            ),
        ),
      )
      .orderBy(desc(measurement.minute), asc(measurement.name))
      .limit(limit),
  );
}
