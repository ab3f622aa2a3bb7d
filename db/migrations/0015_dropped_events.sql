-- A month of orders' events can be dropped: what the figures owe to it is kept, and nothing that still needs its events loses them.

-- What the figures count of events that were dropped: for every day, `stat` is what the events that are left add up to, and this.
CREATE TABLE stat_archived (
  shop_id text NOT NULL,
  sku text NOT NULL,
  day date NOT NULL,
  currency text NOT NULL,
  placed bigint NOT NULL,
  rejected bigint NOT NULL,
  paid bigint NOT NULL,
  cancelled bigint NOT NULL,
  expired bigint NOT NULL,
  refunded bigint NOT NULL,
  revenue numeric(40, 0) NOT NULL,
  refunds numeric(40, 0) NOT NULL,
  units_sold bigint NOT NULL,
  units_returned bigint NOT NULL,
  CONSTRAINT stat_archived_pkey PRIMARY KEY (shop_id, sku, day, currency)
);
--> statement-breakpoint
CREATE INDEX stat_archived_by_day ON stat_archived (day);
--> statement-breakpoint
-- Written by the function below alone.
GRANT SELECT ON stat_archived TO holdfast_running;
--> statement-breakpoint

-- What one event adds to the figures: a row for the whole shop (SKU '') and one for each SKU of its order. Counting, comparing and
-- dropping all sum these rows, so that the rule stands once. PostgreSQL inlines the function into the query that calls it.
CREATE FUNCTION event_figures(event_order uuid, event_version integer, event_stage text, event_at timestamptz)
RETURNS TABLE (
  shop_id text,
  sku text,
  -- In UTC.
  day date,
  currency text,
  placed integer,
  rejected integer,
  paid integer,
  cancelled integer,
  expired integer,
  refunded integer,
  revenue numeric,
  refunds numeric,
  units_sold numeric,
  units_returned numeric
)
LANGUAGE sql STABLE AS $$
  SELECT
    ordered.shop_id, part.sku, (event_at AT TIME ZONE 'UTC')::date, coalesce(ordered.currency, ''),
    (event_version = 1)::integer, (event_stage = 'rejected')::integer, (event_stage = 'paid')::integer,
    (event_stage = 'cancelled')::integer, (event_stage = 'expired')::integer, (event_stage = 'refunded')::integer,
    part.revenue, part.refunds, part.sold, part.returned
  -- Limits and offsets change nothing, but make every part an index look-up, whatever the planner expects of a day or a batch.
  FROM (SELECT orders.shop_id, orders.currency FROM orders WHERE orders.id = event_order LIMIT 1) AS ordered
  CROSS JOIN LATERAL (
    -- Money is what the ledger says was earned and given back for the order: at most one payment and one refund.
    SELECT
      '' AS sku,
      coalesce(
        CASE event_stage WHEN 'paid' THEN (
          SELECT amount
          FROM transfer JOIN entry ON transfer_id = transfer.id AND account = 'sales'
          WHERE order_id = event_order AND kind IN ('debit', 'capture')
          LIMIT 1
        ) END,
        0
      )::numeric AS revenue,
      coalesce(
        CASE event_stage WHEN 'refunded' THEN (
          SELECT -amount
          FROM transfer JOIN entry ON transfer_id = transfer.id AND account = 'sales'
          WHERE order_id = event_order AND kind = 'refund'
          LIMIT 1
        ) END,
        0
      )::numeric AS refunds,
      coalesce(
        CASE event_stage WHEN 'paid' THEN (SELECT sum(quantity) FROM order_line WHERE order_id = event_order) END, 0
      ) AS sold,
      coalesce(
        CASE event_stage WHEN 'refunded' THEN (
          SELECT sum(stock_movement.quantity) FROM order_line JOIN stock_movement USING (order_id, sku) WHERE order_id = event_order
        ) END,
        0
      ) AS returned
    UNION ALL
    SELECT
      line.sku,
      CASE event_stage WHEN 'paid' THEN line.price ELSE 0 END,
      CASE event_stage WHEN 'refunded' THEN line.price ELSE 0 END,
      CASE event_stage WHEN 'paid' THEN line.quantity ELSE 0 END,
      coalesce(
        CASE event_stage WHEN 'refunded' THEN (
          SELECT stock_movement.quantity
          FROM stock_movement
          WHERE stock_movement.order_id = event_order AND stock_movement.sku = line.sku
          LIMIT 1
        ) END,
        0
      )
    FROM (
      -- Numeric: the total of a rejected order may be more than int8 holds.
      SELECT order_line.sku, quantity, coalesce(quantity::numeric * unit_price, 0) AS price
      FROM order_line
      WHERE order_line.order_id = event_order
      OFFSET 0
    ) AS line
  ) AS part
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION event_figures (uuid, integer, text, timestamptz) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION event_figures (uuid, integer, text, timestamptz) TO holdfast_running;
--> statement-breakpoint

-- From which order on are all events kept? Of the orders before it, those of a dropped month have none.
CREATE FUNCTION events_kept_from() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce(
    (SELECT first_id_of_month(max("to")) FROM dropped_partition WHERE table_name = 'order_event'),
    '00000000-0000-0000-0000-000000000000'
  )
$$;
--> statement-breakpoint
-- Are this order's events dropped? They go all at once, so an order that has one has them all: its month was kept, as it was still needed, or
-- the order was recorded later. An order of a month that is kept and that has no events is damaged.
CREATE FUNCTION events_are_dropped(id uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT id < (SELECT events_kept_from()) AND NOT EXISTS (SELECT FROM order_event WHERE order_event.order_id = id)
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION events_kept_from (), events_are_dropped (uuid) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION events_kept_from (), events_are_dropped (uuid)
  TO holdfast_running, holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint

-- What drop_month_partitions does before a month of events goes: refuses while somebody still needs one of its events, and adds to
-- `stat_archived` what the figures count of them.
--
-- Nobody writes to the partition from here on, so an event that is counted now is counted for good, and no event is added. Nothing else is
-- locked: figures are counted, and compared, meanwhile. A comparison that is under way when the month goes notices the row of
-- `dropped_partition`, and begins again.
CREATE FUNCTION before_drop_order_event(partition regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
-- Every event and order is looked up once: remembering them costs more than it saves.
SET enable_memoize = off
SET work_mem = '64MB'
AS $$
DECLARE
  needed text;
BEGIN
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', partition);
  EXECUTE format(
    $query$
      SELECT coalesce(
        (
          SELECT format('order %%s is open', id) FROM orders
          WHERE stage = 'awaiting_payment' AND EXISTS (SELECT FROM %1$s AS event WHERE event.order_id = orders.id)
          LIMIT 1
        ),
        (
          SELECT format('event %%s of order %%s is not counted yet', version, order_id) FROM stat_pending
          WHERE EXISTS (
            SELECT FROM %1$s AS event WHERE event.order_id = stat_pending.order_id AND event.version = stat_pending.version
          )
          LIMIT 1
        ),
        (
          SELECT format('order %%s has an open finding: %%s', order_id, kind) FROM finding
          WHERE state = 'open' AND EXISTS (SELECT FROM %1$s AS event WHERE event.order_id = finding.order_id)
          LIMIT 1
        ),
        (
          SELECT format('order %%s needs attention: %%s', order_id, reason) FROM attention
          WHERE cleared_at IS NULL AND EXISTS (SELECT FROM %1$s AS event WHERE event.order_id = attention.order_id)
          LIMIT 1
        )
      )
    $query$,
    partition
  ) INTO needed;
  IF needed IS NOT NULL THEN
    RAISE EXCEPTION '%', needed USING ERRCODE = 'object_in_use';
  END IF;

  EXECUTE format(
    $query$
      INSERT INTO stat_archived AS archived
      SELECT
        shop_id, sku, day, currency, sum(placed), sum(rejected), sum(paid), sum(cancelled), sum(expired), sum(refunded),
        sum(revenue), sum(refunds), sum(units_sold), sum(units_returned)
      FROM %s AS event CROSS JOIN LATERAL event_figures(event.order_id, event.version, event.stage, event.at)
      GROUP BY shop_id, sku, day, currency
      ON CONFLICT (shop_id, sku, day, currency) DO UPDATE SET
        placed = archived.placed + excluded.placed,
        rejected = archived.rejected + excluded.rejected,
        paid = archived.paid + excluded.paid,
        cancelled = archived.cancelled + excluded.cancelled,
        expired = archived.expired + excluded.expired,
        refunded = archived.refunded + excluded.refunded,
        revenue = archived.revenue + excluded.revenue,
        refunds = archived.refunds + excluded.refunds,
        units_sold = archived.units_sold + excluded.units_sold,
        units_returned = archived.units_returned + excluded.units_returned
    $query$,
    partition
  );
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION before_drop_order_event (regclass) FROM PUBLIC;
