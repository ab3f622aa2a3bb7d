CREATE TABLE "alert" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"opened_at" timestamp (3) with time zone NOT NULL,
	"closed_at" timestamp (3) with time zone,
	"threshold" double precision NOT NULL,
	"value" double precision NOT NULL,
	"worst" double precision NOT NULL,
	"subjects" json NOT NULL,
	CONSTRAINT "alert_name" CHECK ("alert"."name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success')),
	CONSTRAINT "alert_closed_after_opened" CHECK ("alert"."closed_at" > "alert"."opened_at")
);
--> statement-breakpoint
CREATE TABLE "alert_notice" (
	"alert_id" uuid NOT NULL,
	"event" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"value" double precision NOT NULL,
	"subjects" json NOT NULL,
	"delivered_at" timestamp (3) with time zone,
	CONSTRAINT "alert_notice_pkey" PRIMARY KEY("alert_id","event"),
	CONSTRAINT "alert_notice_event" CHECK ("alert_notice"."event" in ('opened', 'closed'))
);
--> statement-breakpoint
CREATE TABLE "measurement" (
	"minute" timestamp (3) with time zone NOT NULL,
	"name" text NOT NULL,
	"value" double precision NOT NULL,
	"subjects" json NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "measurement_pkey" PRIMARY KEY("minute","name"),
	CONSTRAINT "measurement_name" CHECK ("measurement"."name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success'))
);
--> statement-breakpoint
ALTER TABLE "alert_notice" ADD CONSTRAINT "alert_notice_alert_id_alert_id_fk" FOREIGN KEY ("alert_id") REFERENCES "public"."alert"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "alert_one_open" ON "alert" USING btree ("name") WHERE closed_at is null;--> statement-breakpoint
CREATE INDEX "alert_notice_undelivered" ON "alert_notice" USING btree ("at") WHERE delivered_at is null;--> statement-breakpoint
CREATE INDEX "idempotency_key_orders_by_time" ON "idempotency_key" USING btree ("recorded_at") WHERE operation = 'createOrder';--> statement-breakpoint
CREATE INDEX "order_step_payments_by_time" ON "order_step" USING btree ("recorded_at") WHERE step = 'pay';