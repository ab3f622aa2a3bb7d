CREATE TABLE "attention" (
	"workflow_id" text NOT NULL,
	"raised_at" timestamp (3) with time zone NOT NULL,
	"order_id" uuid NOT NULL,
	"step" text NOT NULL,
	"reason" text NOT NULL,
	"cleared_at" timestamp (3) with time zone,
	CONSTRAINT "attention_pkey" PRIMARY KEY("workflow_id","raised_at"),
	CONSTRAINT "attention_step" CHECK ("attention"."step" in ('reserve', 'abandon', 'pay', 'decline', 'release', 'refund')),
	CONSTRAINT "attention_reason" CHECK ("attention"."reason" in ('reservation_failing', 'payment_failing', 'compensation_failing', 'refund_failing')),
	CONSTRAINT "attention_cleared_after_raised" CHECK ("attention"."cleared_at" >= "attention"."raised_at")
);
--> statement-breakpoint
CREATE TABLE "intervention" (
	"workflow_id" text NOT NULL,
	"update_id" text NOT NULL,
	"order_id" uuid NOT NULL,
	"action" text NOT NULL,
	"actor" text NOT NULL,
	"reason" text NOT NULL,
	"step" text,
	"at" timestamp (3) with time zone NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "intervention_pkey" PRIMARY KEY("workflow_id","update_id"),
	CONSTRAINT "intervention_action" CHECK ("intervention"."action" in ('retry_now', 'skip_step', 'give_up')),
	CONSTRAINT "intervention_step" CHECK ("intervention"."step" in ('reserve', 'abandon', 'pay', 'decline', 'release', 'refund'))
);
--> statement-breakpoint
ALTER TABLE "order_step" DROP CONSTRAINT "order_step_step";--> statement-breakpoint
ALTER TABLE "order_step" ADD COLUMN "command_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL;--> statement-breakpoint

-- Payments from before were keyed by their number. One that was made has its command in the order's event; of one that was
-- refused nobody will ask again, so any key will do.
ALTER TABLE order_step DISABLE TRIGGER order_step_never_changes;
--> statement-breakpoint
UPDATE order_step
SET command_id = coalesce(
  (
    SELECT command_id
    FROM order_event
    WHERE order_event.order_id = order_step.order_id AND order_event.stage = 'paid' AND order_step.stage = 'paid'
  ),
  gen_random_uuid()
)
WHERE step = 'pay';
--> statement-breakpoint
ALTER TABLE order_step ENABLE TRIGGER order_step_never_changes;
--> statement-breakpoint
CREATE INDEX "attention_open" ON "attention" USING btree ("raised_at","workflow_id") WHERE cleared_at is null;--> statement-breakpoint
CREATE INDEX "attention_open_by_order" ON "attention" USING btree ("order_id") WHERE cleared_at is null;--> statement-breakpoint
CREATE INDEX "intervention_by_order" ON "intervention" USING btree ("order_id","at");--> statement-breakpoint
ALTER TABLE "order_step" DROP CONSTRAINT "order_step_pkey";
--> statement-breakpoint
ALTER TABLE "order_step" DROP COLUMN "attempt";--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_pkey" PRIMARY KEY("order_id","step","command_id");--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_payment_has_command" CHECK (("order_step"."step" = 'pay') = ("order_step"."command_id" <> '00000000-0000-0000-0000-000000000000'));--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_step" CHECK ("order_step"."step" in ('reserve', 'abandon', 'pay', 'decline', 'release', 'refund'));
--> statement-breakpoint

-- What a person did stays as it was recorded.
CREATE TRIGGER intervention_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON intervention
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
