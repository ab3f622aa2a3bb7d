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
CREATE INDEX "attention_open" ON "attention" USING btree ("raised_at","workflow_id") WHERE cleared_at is null;--> statement-breakpoint
CREATE INDEX "attention_open_by_order" ON "attention" USING btree ("order_id") WHERE cleared_at is null;--> statement-breakpoint
CREATE INDEX "intervention_by_order" ON "intervention" USING btree ("order_id","at");--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_step" CHECK ("order_step"."step" in ('reserve', 'abandon', 'pay', 'decline', 'release', 'refund'));
--> statement-breakpoint

-- What a person did stays as it was recorded.
CREATE TRIGGER intervention_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON intervention
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
