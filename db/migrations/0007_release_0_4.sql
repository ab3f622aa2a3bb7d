-- Texts keep to the one rule that API and workflows have. Not validated: a scan of every order would lock the shop out of its
-- tables for as long as it takes, and a row that somebody wrote by hand must not stop an upgrade.
ALTER TABLE "idempotency_key" ADD CONSTRAINT "idempotency_key_key" CHECK ("idempotency_key"."key" ~ '^[ -~]{1,255}$') NOT VALID;--> statement-breakpoint
ALTER TABLE "intervention" ADD CONSTRAINT "intervention_actor" CHECK (char_length("intervention"."actor") between 1 and 200 and "intervention"."actor" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("intervention"."actor", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '') NOT VALID;--> statement-breakpoint
ALTER TABLE "intervention" ADD CONSTRAINT "intervention_reason" CHECK (char_length("intervention"."reason") between 1 and 500 and "intervention"."reason" !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]' and btrim("intervention"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '') NOT VALID;--> statement-breakpoint
ALTER TABLE "order_event" ADD CONSTRAINT "order_event_reason" CHECK (char_length("order_event"."reason") between 1 and 500 and "order_event"."reason" !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]' and btrim("order_event"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '') NOT VALID;--> statement-breakpoint
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_sku" CHECK ("order_line"."sku" ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$') NOT VALID;--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_reason" CHECK (char_length("order_step"."reason") between 1 and 500 and "order_step"."reason" !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]' and btrim("order_step"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '') NOT VALID;--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_buyer" CHECK (char_length("orders"."buyer_id") between 1 and 128 and "orders"."buyer_id" !~ '[\u0001-\u001f\u007f-\u009f]') NOT VALID;--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_reason" CHECK (char_length("orders"."reason") between 1 and 500 and "orders"."reason" !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]' and btrim("orders"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '') NOT VALID;--> statement-breakpoint
ALTER TABLE "sku" ADD CONSTRAINT "sku_sku" CHECK ("sku"."sku" ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$') NOT VALID;--> statement-breakpoint
ALTER TABLE "sku" ADD CONSTRAINT "sku_name" CHECK (char_length("sku"."name") between 1 and 200 and "sku"."name" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("sku"."name", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '') NOT VALID;--> statement-breakpoint
ALTER TABLE "wallet" ADD CONSTRAINT "wallet_owner" CHECK (char_length("wallet"."owner_id") between 1 and 128 and "wallet"."owner_id" !~ '[\u0001-\u001f\u007f-\u009f]') NOT VALID;--> statement-breakpoint
ALTER TABLE "stat" ALTER COLUMN "revenue" SET DATA TYPE numeric(40, 0);--> statement-breakpoint
ALTER TABLE "stat" ALTER COLUMN "refunds" SET DATA TYPE numeric(40, 0);--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_total_payable" CHECK ("orders"."total" <= 9007199254740991);--> statement-breakpoint
ALTER TABLE "sku" ADD CONSTRAINT "sku_price_payable" CHECK ("sku"."price" <= 9007199254740991);--> statement-breakpoint
ALTER TABLE "attention" DROP CONSTRAINT "attention_reason";--> statement-breakpoint
ALTER TABLE "attention" ADD CONSTRAINT "attention_reason" CHECK ("attention"."reason" in ('reservation_failing', 'payment_failing', 'compensation_failing', 'refund_failing', 'wallet_full'));--> statement-breakpoint
CREATE TABLE "run_end" (
	"run" text PRIMARY KEY NOT NULL,
	"watched_since" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "run_end_run" CHECK ("run_end"."run" in ('reconcile', 'stats', 'monitor'))
);
--> statement-breakpoint
ALTER TABLE "alert" DROP CONSTRAINT "alert_name";--> statement-breakpoint
ALTER TABLE "finding" DROP CONSTRAINT "finding_kind";--> statement-breakpoint
ALTER TABLE "measurement" DROP CONSTRAINT "measurement_name";--> statement-breakpoint
DROP INDEX "alert_notice_undelivered";--> statement-breakpoint
ALTER TABLE "alert_notice" ADD COLUMN "waived_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "alert_notice_to_deliver" ON "alert_notice" USING btree ("at") WHERE delivered_at is null and waived_at is null;--> statement-breakpoint
ALTER TABLE "alert" ADD CONSTRAINT "alert_name" CHECK ("alert"."name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success', 'runs_overdue'));--> statement-breakpoint
ALTER TABLE "finding" ADD CONSTRAINT "finding_kind" CHECK ("finding"."kind" in ('workflow_missing', 'order_missing', 'order_overdue', 'units_held_by_closed_order', 'money_held_by_closed_order', 'money_taken_without_payment', 'paid_without_money', 'stock_counter_wrong', 'wallet_counter_wrong', 'stats_wrong', 'order_inconsistent', 'order_lost', 'transfer_unbalanced', 'workflow_failed', 'look_failed'));--> statement-breakpoint
ALTER TABLE "measurement" ADD CONSTRAINT "measurement_name" CHECK ("measurement"."name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success', 'runs_overdue'));
--> statement-breakpoint

-- Where no notice was ever delivered, there was no receiver: one that is configured from now on hears of open alerts, not of old ones.
UPDATE alert_notice SET waived_at = alert.closed_at
FROM alert
WHERE
  alert.id = alert_id AND alert.closed_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM alert_notice AS delivered WHERE delivered.delivered_at IS NOT NULL);--> statement-breakpoint
-- Unlogged: a crash of PostgreSQL may lose them, and they cost a flash sale no write-ahead log.
CREATE UNLOGGED TABLE "admission_pace" (
	"process" uuid PRIMARY KEY NOT NULL,
	"per_second" double precision NOT NULL,
	"seen_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "admission_ticket" (
	"key" text PRIMARY KEY NOT NULL,
	"due" timestamp (3) with time zone NOT NULL
);
