/** Counts what orders did in each minute of an hour, for the plots of the operations page. */
import type { Database } from '../connection.ts';
import type { RestingStage } from '../../domain/stages.ts';

/** Orders that came to a stage in a minute. An order's first event is `awaiting_payment` or a rejection. */
export interface MinuteOfOutcomes {
  minute: Date;
  stage: RestingStage;
  orders: number;
}

/** How many orders waited for their payment at the end of a minute, and since when the oldest of them did. */
export interface MinuteOfBacklog {
  minute: Date;
  waiting: number;
  /** Null when none waited. */
  oldest: Date | null;
}

/** Both ends are whole minutes. */
export interface MinuteRange {
  /** ISO 8601. */
  from: string;
  to: string;
}

/** Minutes in which nothing happened are left out. */
export async function countOutcomes(
  database: Database,
  { from, to }: MinuteRange,
): Promise<MinuteOfOutcomes[]> {
  const rows = await database.run(
    ({ sql }) => sql<MinuteOfOutcomes[]>`
      -- How many orders came to which stage in each minute? A refund in part and a deadline that was put off lead to no other stage.
      select date_trunc('minute', at, 'UTC') as minute, stage, count(*)::integer as orders
      from order_event
      where at >= ${from} and at < ${to} and from_stage is distinct from stage
      group by 1, 2
      order by 1, 2
    `,
  );
  return [...rows];
}

/** Every minute of the range, the earliest first. */
export async function countBacklog(
  database: Database,
  { from, to }: MinuteRange,
): Promise<MinuteOfBacklog[]> {
  const rows = await database.run(
    ({ sql }) => sql<MinuteOfBacklog[]>`
      -- How many orders waited at the end of each minute, and since when did the oldest? Those that wait now, and those that left since.
      with stay as (
        select created_at as came, null::timestamptz as went from orders where stage = 'awaiting_payment'
        union all
        select orders.created_at, order_event.at
        from order_event join orders on orders.id = order_event.order_id
        where
          order_event.at >= ${from} and order_event.from_stage = 'awaiting_payment'
          and order_event.stage <> 'awaiting_payment'
      ),
      -- At most one group for each two minutes, so that the join below is small however many orders there are.
      stays as (
        select
          date_trunc('minute', greatest(came, ${from}), 'UTC') as came,
          date_trunc('minute', went, 'UTC') as went,
          count(*) as orders,
          min(came) as oldest
        from stay
        group by 1, 2
      )
      select minute, coalesce(sum(stays.orders), 0)::integer as waiting, min(stays.oldest) as oldest
      from generate_series(${from}::timestamptz, ${to}::timestamptz - interval '1 minute', interval '1 minute') as minute
      left join stays on stays.came <= minute and (stays.went is null or stays.went > minute)
      group by minute
      order by minute
    `,
  );
  return [...rows];
}
