CREATE TABLE "stat" (
	"sku" text NOT NULL,
	"day" date NOT NULL,
	"currency" text NOT NULL,
	"placed" bigint NOT NULL,
	"rejected" bigint NOT NULL,
	"paid" bigint NOT NULL,
	"cancelled" bigint NOT NULL,
	"expired" bigint NOT NULL,
	"refunded" bigint NOT NULL,
	"revenue" bigint NOT NULL,
	"refunds" bigint NOT NULL,
	"units_sold" bigint NOT NULL,
	"units_returned" bigint NOT NULL,
	CONSTRAINT "stat_pkey" PRIMARY KEY("sku","day","currency")
);
--> statement-breakpoint
CREATE TABLE "stat_pending" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "stat_pending_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"order_id" uuid NOT NULL,
	"version" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "stat_progress" (
	"id" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"counted_until" timestamp (3) with time zone,
	"batches" bigint DEFAULT 0 NOT NULL,
	"paused_until" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "stat_progress_one_row" CHECK ("stat_progress"."id")
);
--> statement-breakpoint
ALTER TABLE "finding" DROP CONSTRAINT "finding_kind";--> statement-breakpoint
CREATE INDEX "stat_by_day" ON "stat" USING btree ("day");--> statement-breakpoint
CREATE INDEX "order_event_by_time" ON "order_event" USING btree ("at");--> statement-breakpoint
ALTER TABLE "finding" ADD CONSTRAINT "finding_kind" CHECK ("finding"."kind" in ('workflow_missing', 'order_missing', 'order_overdue', 'units_held_by_closed_order', 'money_held_by_closed_order', 'money_taken_without_payment', 'paid_without_money', 'stock_counter_wrong', 'wallet_counter_wrong', 'stats_wrong'));
--> statement-breakpoint

INSERT INTO stat_progress DEFAULT VALUES;
--> statement-breakpoint

-- A trigger, so that no event goes uncounted: neither one that is recorded by hand, nor one by a worker of the release before,
-- which may run on while this one is deployed. One for the statement, which may record many orders.
CREATE FUNCTION leave_for_stat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO stat_pending (order_id, version) SELECT order_id, version FROM added;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER order_event_is_counted AFTER INSERT ON order_event
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION leave_for_stat();
--> statement-breakpoint
-- Also where triggers are off, as they are for who mends or loads rows.
ALTER TABLE order_event ENABLE ALWAYS TRIGGER order_event_is_counted;
--> statement-breakpoint

-- What was recorded before is counted, too. Nothing comes in between: the trigger's creation locked the table.
INSERT INTO stat_pending (order_id, version) SELECT order_id, version FROM order_event;
