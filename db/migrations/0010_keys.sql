-- Keys have callers.
ALTER TABLE "run_end" DROP CONSTRAINT "run_end_run";--> statement-breakpoint
ALTER TABLE "run_end" ADD CONSTRAINT "run_end_run" CHECK ("run_end"."run" in ('reconcile', 'stats', 'monitor', 'retention'));--> statement-breakpoint
-- Tickets may be lost, and those of before have no caller.
DELETE FROM "admission_ticket";--> statement-breakpoint
ALTER TABLE "admission_ticket" ADD COLUMN "caller" text NOT NULL;--> statement-breakpoint
ALTER TABLE "admission_ticket" DROP CONSTRAINT "admission_ticket_pkey";--> statement-breakpoint
ALTER TABLE "admission_ticket" ADD CONSTRAINT "admission_ticket_pkey" PRIMARY KEY("caller","key");--> statement-breakpoint
DROP INDEX "idempotency_key_orders_by_time";--> statement-breakpoint
CREATE INDEX "idempotency_key_orders" ON "idempotency_key" USING btree ("command_id") WHERE operation = 'createOrder';--> statement-breakpoint
CREATE INDEX "idempotency_key_others" ON "idempotency_key" USING btree ("command_id") WHERE operation <> 'createOrder';--> statement-breakpoint
-- A key is claimed and answered by the id of its caller, whatever shop the call is about: no query that is limited to a shop writes one.
REVOKE INSERT, UPDATE ON "idempotency_key" FROM holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint
-- Two callers may use the same key, so a lost order is named by its id.
UPDATE "finding" SET "subject" = "order_id"::text WHERE "kind" = 'order_lost' AND "order_id" IS NOT NULL;
