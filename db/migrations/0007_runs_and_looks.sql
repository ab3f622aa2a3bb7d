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
  AND NOT EXISTS (SELECT FROM alert_notice AS delivered WHERE delivered.delivered_at IS NOT NULL);
