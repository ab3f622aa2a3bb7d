-- What happens to orders is published from here on, in an order that no reader can see a gap in. Earlier events are not: db/schema/events.ts
-- says what each table is.
CREATE TABLE "outbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"order_id" uuid NOT NULL,
	"version" integer NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "shop_sequence" (
	"shop_id" text PRIMARY KEY NOT NULL,
	"last" bigint NOT NULL,
	CONSTRAINT "shop_sequence_counts" CHECK ("shop_sequence"."last" > 0)
);
--> statement-breakpoint
CREATE TABLE "published_event" (
	"order_id" uuid NOT NULL,
	"version" integer NOT NULL,
	"shop_id" text NOT NULL,
	"sequence" bigint NOT NULL,
	"type" text NOT NULL,
	"published_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "published_event_pkey" PRIMARY KEY("order_id","version"),
	CONSTRAINT "published_event_type" CHECK ("published_event"."type" in ('order.awaiting_payment', 'order.rejected', 'order.paid', 'order.partially_refunded', 'order.refunded', 'order.cancelled', 'order.expired')),
	CONSTRAINT "published_event_sequence" CHECK ("published_event"."sequence" > 0)
) PARTITION BY RANGE ("order_id");
--> statement-breakpoint
CREATE INDEX "published_event_by_sequence" ON "published_event" USING btree ("shop_id","sequence");--> statement-breakpoint
CREATE TABLE "dropped_sequence" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "dropped_sequence_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"shop_id" text NOT NULL,
	"last" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "dropped_sequence_by_shop" ON "dropped_sequence" USING btree ("shop_id","id");--> statement-breakpoint

-- In months, as order_event, whose months it goes with.
CREATE TRIGGER published_event_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON published_event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
INSERT INTO partitioned_table VALUES ('published_event', 'order_id', 'id', '90 days', true, NULL);
--> statement-breakpoint
CREATE TABLE published_event_default PARTITION OF published_event DEFAULT;
--> statement-breakpoint
SELECT keep_to_owner('published_event_default');
--> statement-breakpoint
SELECT refuse_changes_of(known, 'published_event_default') FROM partitioned_table AS known WHERE name = 'published_event';
--> statement-breakpoint
SELECT make_months_of('published_event', now(), 3);
--> statement-breakpoint

-- All of them are written by the functions below alone.
GRANT SELECT ON outbox, shop_sequence, published_event, dropped_sequence TO holdfast_running;
--> statement-breakpoint
GRANT SELECT ON published_event TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
-- Buyers read the events of their orders, and not those of a shop.
GRANT SELECT ON shop_sequence, dropped_sequence TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
ALTER TABLE published_event ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON published_event TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON published_event TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON published_event FOR SELECT TO holdfast_buyer USING (EXISTS (SELECT FROM orders WHERE orders.id = published_event.order_id OFFSET 0));--> statement-breakpoint
CREATE POLICY of_installation ON published_event TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE shop_sequence ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON shop_sequence TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON shop_sequence TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON shop_sequence TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE dropped_sequence ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON dropped_sequence TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON dropped_sequence TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON dropped_sequence TO holdfast_installation USING (true);--> statement-breakpoint

-- A trigger, so that no event stays inside: neither one that is recorded by hand, nor one by a worker of the release before. One for the
-- statement, which may record many orders. It is their owner's, so that nobody else can leave an event here.
CREATE FUNCTION leave_for_outside() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO outbox (order_id, version) SELECT order_id, version FROM added ORDER BY order_id, version;
  RETURN NULL;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION leave_for_outside () FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER order_event_is_published AFTER INSERT ON order_event
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION leave_for_outside();
--> statement-breakpoint
ALTER TABLE order_event ENABLE ALWAYS TRIGGER order_event_is_published;
--> statement-breakpoint

-- What a recorded move is called outside, as typeOfMove in domain/events.ts says it.
CREATE FUNCTION type_of_move(from_stage text, stage text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN from_stage = 'paid' AND stage = 'paid' THEN 'order.partially_refunded' ELSE 'order.' || stage END
$$;
--> statement-breakpoint

-- Publishes what is recorded: each event gets the next number of its shop. Returns what it published, and says on the channel
-- holdfast_event which orders that is about. Nothing when another process is publishing at this moment.
--
-- The race: transactions that record events commit in another order than they began. A number that they took themselves could become
-- visible after a higher one, and whoever has read up to the higher one would never look back. So numbers are given here, to what has
-- committed, by one transaction at a time: the lock ends after the transaction, so that whoever takes it next sees all of its numbers.
-- For the same reason an order's events keep their order: each was recorded after the one before it was committed.
CREATE FUNCTION publish_events(at_most integer)
RETURNS TABLE (order_id uuid, version integer, shop_id text, sequence bigint, type text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- One plan for all calls. Events and orders are looked up one by one, whatever the planner expects of a table that is empty most of the time.
SET plan_cache_mode = force_generic_plan SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('publish events', 0)) THEN
    RETURN;
  END IF;
  -- A number that somebody has read must not be given to another event after a crash, also where commits do not wait for the disk.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  -- A new snapshot: it has whatever was committed before the lock was free.
  RETURN QUERY
    WITH taken AS (
      DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox ORDER BY id LIMIT at_most))
      RETURNING outbox.id, outbox.order_id, outbox.version
    ),
    -- An event that somebody records again, because it was lost, keeps the number it had.
    fresh AS (
      SELECT order_id, version, min(id) AS id FROM taken
      WHERE NOT EXISTS (
        SELECT FROM published_event AS known WHERE known.order_id = taken.order_id AND known.version = taken.version
      )
      GROUP BY order_id, version
    ),
    counted AS (
      SELECT
        fresh.order_id, fresh.version, orders.shop_id, type_of_move(event.from_stage, event.stage) AS type,
        row_number() OVER (PARTITION BY orders.shop_id ORDER BY fresh.id) AS place, count(*) OVER (PARTITION BY orders.shop_id) AS many
      FROM
        fresh
        JOIN order_event AS event ON event.order_id = fresh.order_id AND event.version = fresh.version
        JOIN orders ON orders.id = fresh.order_id
    ),
    numbered AS (
      INSERT INTO shop_sequence AS known (shop_id, last) SELECT DISTINCT shop_id, many FROM counted
      ON CONFLICT (shop_id) DO UPDATE SET last = known.last + excluded.last
      RETURNING known.shop_id, known.last
    ),
    published AS (
      INSERT INTO published_event AS made (order_id, version, shop_id, sequence, type)
      SELECT order_id, version, shop_id, numbered.last - many + place, counted.type FROM counted JOIN numbered USING (shop_id)
      RETURNING made.order_id, made.version, made.shop_id, made.sequence, made.type
    ),
    -- A notification has room for 8,000 bytes, and an id takes 37.
    part AS (
      SELECT string_agg(order_id::text, ',') AS ids
      FROM (
        SELECT order_id, (row_number() OVER (ORDER BY order_id) - 1) / 200 AS part FROM (SELECT DISTINCT order_id FROM published) AS known
      ) AS placed
      GROUP BY part
    ),
    said AS (SELECT count(pg_notify('holdfast_event', ids)) FROM part)
    SELECT published.order_id, published.version, published.shop_id, published.sequence, published.type
    FROM published CROSS JOIN said
    ORDER BY published.shop_id, published.sequence;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION publish_events (integer) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION publish_events (integer) TO holdfast_running;
--> statement-breakpoint

-- Remembers up to where events go with a month, so that whoever had not read them learns that.
CREATE FUNCTION before_drop_published_event(partition regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  EXECUTE format('INSERT INTO dropped_sequence (shop_id, last) SELECT shop_id, max(sequence) FROM %s GROUP BY shop_id', partition);
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION before_drop_published_event (regclass) FROM PUBLIC;
--> statement-breakpoint

-- What was published of a month's events goes with them, in the same transaction: without them it cannot be read. And the month stays until
-- each was published.
ALTER FUNCTION before_drop_order_event (regclass) RENAME TO archive_order_events;
--> statement-breakpoint
CREATE FUNCTION before_drop_order_event(partition regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  next_month date := (SELECT "to" FROM month_partition WHERE month_partition.partition = $1);
  needed text;
BEGIN
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', partition);
  EXECUTE format(
    $query$
      SELECT format('event %%s of order %%s is not published yet', version, order_id) FROM outbox
      WHERE EXISTS (SELECT FROM %s AS event WHERE event.order_id = outbox.order_id AND event.version = outbox.version)
      LIMIT 1
    $query$,
    partition
  ) INTO needed;
  IF needed IS NOT NULL THEN
    RAISE EXCEPTION '%', needed USING ERRCODE = 'object_in_use';
  END IF;
  PERFORM archive_order_events(partition);
  -- Last, because from here on nobody publishes or reads until the month is gone.
  SELECT kept INTO needed FROM drop_month_partitions('published_event', next_month::timestamp AT TIME ZONE 'UTC') WHERE kept IS NOT NULL LIMIT 1;
  IF needed IS NOT NULL THEN
    RAISE EXCEPTION '%', needed USING ERRCODE = 'object_in_use';
  END IF;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION before_drop_order_event (regclass) FROM PUBLIC;
