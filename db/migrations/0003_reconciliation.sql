CREATE TABLE "finding" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"order_id" uuid,
	"finding" text NOT NULL,
	"first_seen" timestamp (3) with time zone NOT NULL,
	"last_seen" timestamp (3) with time zone NOT NULL,
	"state" text DEFAULT 'open' NOT NULL,
	"done" text,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "finding_kind" CHECK ("finding"."kind" in ('workflow_missing', 'order_missing', 'order_overdue', 'units_held_by_closed_order', 'money_held_by_closed_order', 'money_taken_without_payment', 'paid_without_money', 'stock_counter_wrong', 'wallet_counter_wrong')),
	CONSTRAINT "finding_state" CHECK ("finding"."state" in ('open', 'repaired', 'gone')),
	CONSTRAINT "finding_ended_unless_open" CHECK (("finding"."state" = 'open') = ("finding"."ended_at" is null))
);
--> statement-breakpoint
CREATE TABLE "repair" (
	"finding_id" uuid PRIMARY KEY NOT NULL,
	"before" json NOT NULL,
	"after" json NOT NULL,
	"at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
DROP INDEX "hold_held_by_wallet";--> statement-breakpoint
DROP INDEX "reservation_held_by_sku";--> statement-breakpoint
ALTER TABLE "repair" ADD CONSTRAINT "repair_finding_id_finding_id_fk" FOREIGN KEY ("finding_id") REFERENCES "public"."finding"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "finding_open" ON "finding" USING btree ("kind","subject") WHERE state = 'open';--> statement-breakpoint
CREATE INDEX "finding_by_state" ON "finding" USING btree ("state","id");--> statement-breakpoint
CREATE INDEX "reservation_consumed_by_sku" ON "reservation" USING btree ("sku","quantity") WHERE state = 'consumed';--> statement-breakpoint
CREATE INDEX "hold_held_by_wallet" ON "hold" USING btree ("wallet_id","order_id") WHERE state = 'held';--> statement-breakpoint
CREATE INDEX "reservation_held_by_sku" ON "reservation" USING btree ("sku","order_id") WHERE state = 'held';
--> statement-breakpoint

-- What was repaired stays as it was recorded.
CREATE TRIGGER repair_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON repair
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
