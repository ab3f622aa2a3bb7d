CREATE TABLE "alert_delivery" (
	"alert_id" uuid NOT NULL,
	"event" text NOT NULL,
	"receiver" text NOT NULL,
	"delivered_at" timestamp (3) with time zone,
	CONSTRAINT "alert_delivery_pkey" PRIMARY KEY("alert_id","event","receiver"),
	CONSTRAINT "alert_delivery_receiver" CHECK ("alert_delivery"."receiver" in ('webhook', 'slack', 'pagerduty'))
);
--> statement-breakpoint
CREATE TABLE "alert_receiver" (
	"receiver" text PRIMARY KEY NOT NULL,
	CONSTRAINT "alert_receiver_receiver" CHECK ("alert_receiver"."receiver" in ('webhook', 'slack', 'pagerduty'))
);
--> statement-breakpoint
ALTER TABLE "alert_delivery" ADD CONSTRAINT "alert_delivery_notice_fk" FOREIGN KEY ("alert_id","event") REFERENCES "public"."alert_notice"("alert_id","event") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "alert_delivery_waiting" ON "alert_delivery" USING btree ("receiver","alert_id") WHERE delivered_at is null;--> statement-breakpoint

-- Until now there was one receiver, and it was there if any notice was not waived: what it has not got yet still waits for it.
INSERT INTO alert_receiver (receiver)
SELECT 'webhook' WHERE EXISTS (SELECT FROM alert_notice WHERE waived_at IS NULL);--> statement-breakpoint
INSERT INTO alert_delivery (alert_id, event, receiver, delivered_at)
SELECT alert_id, event, 'webhook', delivered_at FROM alert_notice WHERE waived_at IS NULL;--> statement-breakpoint

DROP INDEX "alert_notice_to_deliver";--> statement-breakpoint
ALTER TABLE "alert_notice" DROP COLUMN "delivered_at";--> statement-breakpoint
ALTER TABLE "alert_notice" DROP COLUMN "waived_at";--> statement-breakpoint

-- The receivers of this installation are a setting, and what waits for one that is no longer set is forgotten.
GRANT SELECT, INSERT, DELETE ON alert_receiver TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, DELETE, UPDATE (delivered_at) ON alert_delivery TO holdfast_running;--> statement-breakpoint
GRANT SELECT ON alert_delivery TO holdfast_installation;
