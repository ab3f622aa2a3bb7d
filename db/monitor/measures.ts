/**
 * Takes the monitor's measures: one statement for each. Each reads what the last hour wrote or what is open, by an index, so that its
 * cost does not grow with the history that is kept.
 */
import type { Measure } from '../../domain/measures.ts';
import type { Database } from '../connection.ts';
import type { Queryable } from '../postgres.ts';
import { CLOCKS_APART_MS, firstIdAt } from '../ids.ts';
import { MINOR_DIGITS } from '../../domain/currencies.ts';
import { isOverdue } from '../rules/deadlines.ts';
import { isOversold } from '../rules/stock.ts';
import { OVERDUE_AFTER_INTERVALS, type RunIntervals } from './runs.ts';

export interface Measured {
  /** Seconds, a share from 0 to 1, or a count, depending on the measure. */
  value: number;
  /** What was counted, at most 20: ids of orders or buyers, or SKUs. */
  subjects: string[];
}

/** What makes the measures count something. */
export interface MeasureLimits {
  /** Milliseconds after which an order that waits for its payment has been pending for long. */
  pendingLongAfter: number;
  /** A buyer with more payments than this in an hour is busy. */
  busyBuyerPayments: number;
  /** So is a buyer who pays more than this of one currency in an hour: whole units, such as euros. */
  busyBuyerAmount: number;
  /** A run is overdue when none has ended for three of these intervals. */
  runEvery: RunIntervals;
}

/** @param at the run's time, ISO 8601. */
export async function takeMeasure(
  database: Database,
  name: Measure,
  at: string,
  limits: MeasureLimits,
): Promise<Measured> {
  const [measured] = await database.run(({ sql }) => STATEMENTS[name](sql, timesOf(at), limits));
  if (!measured) throw new Error(`The statement of ${name} returned no row.`);
  return measured;
}

interface Times {
  at: string;
  /** The instant this many milliseconds before the run. */
  ago: (milliseconds: number) => string;
}

const timesOf = (at: string): Times => ({
  at,
  ago: (milliseconds) => new Date(Date.parse(at) - milliseconds).toISOString(),
});

/** Its first day. */
const monthOf = (instant: string): string => `${instant.slice(0, 7)}-01`;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const SUBJECTS = 20;

/** Short, so that it shows what buyers feel now; long enough for a small shop to have orders in it. */
const LATENCY_WINDOW = 5 * MINUTE;
/** How long a caller may still be waiting for an answer, or about to retry. */
const ANSWERED_WITHIN = MINUTE;
const DIGITS = JSON.stringify(Object.fromEntries(MINOR_DIGITS));

type Statement = (sql: Queryable, times: Times, limits: MeasureLimits) => PromiseLike<readonly Measured[]>;

const STATEMENTS: Readonly<Record<Measure, Statement>> = {
  orders_past_deadline: (sql, { at }) => sql<Measured[]>`
    with late as (
      select id, payment_deadline from orders where ${isOverdue(sql, at)}
    )
    select
      count(*) as value,
      (select coalesce(json_agg(id), '[]') from (select id from late order by payment_deadline limit ${SUBJECTS}) as first) as subjects
    from late
  `,

  orders_pending_long: (sql, { ago }, { pendingLongAfter }) => sql<Measured[]>`
    with pending as (
      select id
      from orders
      where
        stage = 'awaiting_payment' and created_at < ${ago(pendingLongAfter)}
        -- The same condition, less exact, for the index by stage and id.
        and id < ${firstIdAt(ago(pendingLongAfter - CLOCKS_APART_MS))}
    )
    select
      count(*) as value,
      (select coalesce(json_agg(id), '[]') from (select id from pending order by id limit ${SUBJECTS}) as first) as subjects
    from pending
  `,

  busy_buyers: (sql, { ago }, { busyBuyerPayments, busyBuyerAmount }) => sql<Measured[]>`
    with made as (
      select orders.shop_id, orders.buyer_id, orders.currency, orders.total as amount
      from order_step join orders on orders.id = order_step.order_id
      where order_step.step = 'pay' and order_step.reason is null and order_step.recorded_at > ${ago(HOUR)}
      union all
      -- Of a part of an order, since the moment at which it was asked for.
      select orders.shop_id, orders.buyer_id, payment.currency, payment.amount
      from payment join orders on orders.id = payment.order_id
      where payment.id > ${firstIdAt(ago(HOUR))} and payment.state = 'captured' and payment.secures
    ),
    paid as (
      select shop_id, buyer_id, currency, count(*) as payments, sum(amount) as amount
      from made
      group by shop_id, buyer_id, currency
    ),
    busy as (
      -- Buyers of two shops are two, whatever they are called.
      select shop_id, buyer_id, sum(payments) as payments
      from paid
      group by shop_id, buyer_id
      having
        sum(payments) > ${busyBuyerPayments}
        or bool_or(
          amount > ${busyBuyerAmount}::numeric
            -- A currency without known digits was written by hand.
            * power(10::numeric, coalesce((${DIGITS}::text::jsonb ->> currency)::integer, 2))
        )
    )
    select
      count(*) as value,
      (
        select coalesce(json_agg(format('%s/%s', shop_id, buyer_id)), '[]')
        from (select shop_id, buyer_id from busy order by payments desc, shop_id, buyer_id limit ${SUBJECTS}) as first
      ) as subjects
    from busy
  `,

  stock_anomalies: (sql) => sql<Measured[]>`
    with anomaly as (
      select format('%s/%s', split_part(subject, '/', 1), split_part(subject, '/', 2)) as sku
      from finding
      where state = 'open' and kind in ('stock_counter_wrong', 'units_held_by_closed_order')
      union
      -- Reads the whole catalogue: an index of these columns would make each reservation write to it.
      select format('%s/%s', shop_id, sku) from sku where ${isOversold(sql)}
    )
    select
      count(*) as value,
      (select coalesce(json_agg(sku), '[]') from (select sku from anomaly order by sku limit ${SUBJECTS}) as first) as subjects
    from anomaly
  `,

  payment_failure_rate: (sql, { ago }) => sql<Measured[]>`
    with tried as (
      select reason is not null as refused
      from order_step
      where
        step = 'pay' and recorded_at > ${ago(HOUR)}
        -- Payments that arrived too late were never tried.
        and (reason is null or reason not in ('order_expired', 'order_cancelled'))
      union all
      select state = 'declined' from payment where id > ${firstIdAt(ago(HOUR))}
    )
    select count(*) filter (where refused)::double precision / greatest(count(*), 1) as value, '[]'::json as subjects
    from tried
  `,

  order_latency_p99: (sql, { at, ago }) => sql<Measured[]>`
    select
      coalesce(
        percentile_cont(0.99) within group (
          -- Both times are of PostgreSQL's clock. An order that is not decided yet has waited at least until now.
          order by extract(epoch from coalesce(decided.recorded_at, ${at}::timestamptz) - call.recorded_at)
        ),
        0
      ) as value,
      '[]'::json as subjects
    from idempotency_key as call
    left join order_step as decided on decided.order_id = call.command_id and decided.step = 'reserve'
    where
      call.operation = 'createOrder' and call.recorded_at > ${ago(LATENCY_WINDOW)} and call.recorded_at <= ${at}
      -- The first condition, less exact, for the index by id and for the months.
      and call.command_id > ${firstIdAt(ago(LATENCY_WINDOW + CLOCKS_APART_MS))}
      and call.month >= ${monthOf(ago(LATENCY_WINDOW + CLOCKS_APART_MS))}::text::date
      and (decided.order_id is not null or call.response_status is null)
  `,

  database_connections: (sql) => sql<Measured[]>`
    select
      count(*)::double precision / current_setting('max_connections')::integer as value,
      '[]'::json as subjects
    from pg_stat_activity
    -- The running role sees of a session which database and user it has, and not of what kind it is. What cleans up has no user.
    where datid is not null and usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend'
  `,

  abnormal_orders: (sql, { ago }) => sql<Measured[]>`
    with abnormal as (
      select order_id from attention where cleared_at is null and order_id > ${firstIdAt(ago(HOUR))}
      union
      select order_id from finding where state = 'open' and order_id > ${firstIdAt(ago(HOUR))}
    ),
    placed as (
      select id from orders where id > ${firstIdAt(ago(HOUR))}
      union
      -- An order whose reservation keeps failing is not recorded yet.
      select order_id from abnormal
    )
    select
      count(abnormal.order_id)::double precision / greatest(count(*), 1) as value,
      (
        select coalesce(json_agg(order_id), '[]')
        from (select order_id from abnormal order by order_id limit ${SUBJECTS}) as first
      ) as subjects
    from placed left join abnormal on abnormal.order_id = placed.id
  `,

  order_success: (sql, { ago }) => sql<Measured[]>`
    select
      case count(*) when 0 then 1 else count(response_status)::double precision / count(*) end as value,
      '[]'::json as subjects
    from idempotency_key
    where
      operation = 'createOrder' and recorded_at > ${ago(HOUR)}
      and recorded_at <= ${ago(ANSWERED_WITHIN)}
      and command_id > ${firstIdAt(ago(HOUR + CLOCKS_APART_MS))}
      and month >= ${monthOf(ago(HOUR + CLOCKS_APART_MS))}::text::date
  `,

  runs_overdue: (sql, { at }, { runEvery }) => {
    const intervals = Object.entries(runEvery).map(([run, every]) => ({ run, every }));
    return sql<Measured[]>`
      with expected as (
        select run, every * ${OVERDUE_AFTER_INTERVALS} * interval '1 millisecond' as patience
        from jsonb_to_recordset(${JSON.stringify(intervals)}::text::jsonb) as expected (run text, every double precision)
      ),
      -- In a new installation the time counts from the first measurement.
      watched as (
        insert into run_end (run, watched_since) select run, ${at}::timestamptz from expected
        on conflict do nothing
      ),
      overdue as (
        select run
        from expected join run_end using (run)
        where coalesce(ended_at, watched_since) < ${at}::timestamptz - patience
      )
      select
        count(*) as value,
        (select coalesce(json_agg(run order by run), '[]') from overdue) as subjects
      from overdue
    `;
  },

  webhooks_failing: (sql, { ago }) => sql<Measured[]>`
    with failing as (
      select id, shop_id from webhook
      where disabled_reason in ('failing', 'gone') or (state = 'active' and failing_since < ${ago(HOUR)})
    )
    select
      count(*) as value,
      (
        select coalesce(json_agg(format('%s/%s', shop_id, id)), '[]')
        from (select shop_id, id from failing order by id limit ${SUBJECTS}) as first
      ) as subjects
    from failing
  `,

  events_unpublished: (sql, { at }) => sql<Measured[]>`
    with oldest as (
      select id, order_id, recorded_at from outbox order by id limit ${SUBJECTS}
    )
    select
      coalesce(greatest(extract(epoch from ${at}::timestamptz - min(recorded_at)), 0), 0)::double precision as value,
      (
        select coalesce(json_agg(order_id order by first), '[]')
        from (select order_id, min(id) as first from oldest group by order_id) as waiting
      ) as subjects
    from oldest
  `,

  payments_unsettled: (sql, { ago }) => sql<Measured[]>`
    with unsettled as (
      select id
      from payment
      where
        (state in ('pending', 'authorised', 'capturing') or (state = 'captured' and not secures))
        and updated_at < ${ago(HOUR)}
        -- It waits for its order, and not the other way round.
        and not (state = 'authorised' and secures)
      union
      select owed.payment_id
      from
        refund_payment as owed
        -- A look-up for each: as a join, it might read all refunds there ever were.
        join lateral (
          select at from refund where refund.order_id = owed.order_id and refund.command_id = owed.command_id limit 1
        ) as refund on true
      where owed.state = 'owed' and refund.at < ${ago(HOUR)}
    )
    select
      count(*) as value,
      (select coalesce(json_agg(id), '[]') from (select id from unsettled order by id limit ${SUBJECTS}) as first) as subjects
    from unsettled
  `,
};
