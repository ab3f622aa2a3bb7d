-- Payments of orders in parts, by wallet and from outside. db/schema/payments.ts says what each column is.
CREATE TABLE "payment" (
	"id" uuid PRIMARY KEY NOT NULL,
	"shop_id" text NOT NULL,
	"order_id" uuid NOT NULL,
	"method" text NOT NULL,
	"amount" bigint NOT NULL,
	"currency" text NOT NULL,
	"state" text NOT NULL,
	"secures" boolean NOT NULL,
	"refunded" bigint DEFAULT 0 NOT NULL,
	"provider_id" text,
	"reason" text,
	"opened_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"version" integer NOT NULL,
	CONSTRAINT "payment_by_provider_id" UNIQUE("provider_id"),
	CONSTRAINT "payment_method" CHECK ("payment"."method" in ('wallet', 'provider')),
	CONSTRAINT "payment_state" CHECK ("payment"."state" in ('pending', 'authorised', 'capturing', 'captured', 'declined', 'voided', 'returned')),
	CONSTRAINT "payment_amount_positive" CHECK ("payment"."amount" > 0),
	CONSTRAINT "payment_refunded_at_most_amount" CHECK ("payment"."refunded" = 0 or ("payment"."state" = 'captured' and 0 < "payment"."refunded" and "payment"."refunded" <= "payment"."amount")),
	CONSTRAINT "payment_secures_while_live" CHECK (not "payment"."secures" or "payment"."state" in ('pending', 'authorised', 'capturing', 'captured')),
	CONSTRAINT "payment_provider_id" CHECK (char_length("payment"."provider_id") between 1 and 200 and "payment"."provider_id" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment"."provider_id", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "payment_reason" CHECK (char_length("payment"."reason") between 1 and 200 and "payment"."reason" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '')
);
--> statement-breakpoint
CREATE TABLE "payment_event" (
	"payment_id" uuid NOT NULL,
	"version" integer NOT NULL,
	"from_state" text,
	"previous_version" integer GENERATED ALWAYS AS (nullif(version - 1, 0)) STORED,
	"state" text NOT NULL,
	"reason" text,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "payment_event_pkey" PRIMARY KEY("payment_id","version"),
	CONSTRAINT "payment_event_chain" UNIQUE("payment_id","version","state"),
	CONSTRAINT "payment_event_move" CHECK (("payment_event"."from_state" is null and "payment_event"."state" in ('pending')) or ("payment_event"."from_state", "payment_event"."state") in (('pending', 'authorised'), ('pending', 'captured'), ('pending', 'declined'), ('pending', 'voided'), ('authorised', 'capturing'), ('authorised', 'captured'), ('authorised', 'declined'), ('authorised', 'voided'), ('capturing', 'captured'), ('capturing', 'declined'), ('capturing', 'voided'), ('captured', 'returned'), ('declined', 'captured'), ('voided', 'captured'))),
	CONSTRAINT "payment_event_first_has_no_from" CHECK (("payment_event"."version" = 1) = ("payment_event"."from_state" is null)),
	CONSTRAINT "payment_event_reason" CHECK (char_length("payment_event"."reason") between 1 and 200 and "payment_event"."reason" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment_event"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '')
);
--> statement-breakpoint
CREATE TABLE "payment_hold" (
	"payment_id" uuid PRIMARY KEY NOT NULL,
	"shop_id" text NOT NULL,
	"order_id" uuid NOT NULL,
	"wallet_id" uuid NOT NULL,
	"amount" bigint NOT NULL,
	"state" text NOT NULL,
	"returned" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "payment_hold_state" CHECK ("payment_hold"."state" in ('held', 'captured', 'voided', 'declined')),
	CONSTRAINT "payment_hold_amount_positive" CHECK ("payment_hold"."amount" > 0),
	CONSTRAINT "payment_hold_returned_at_most_amount" CHECK ("payment_hold"."returned" = 0 or ("payment_hold"."state" = 'captured' and 0 < "payment_hold"."returned" and "payment_hold"."returned" <= "payment_hold"."amount"))
);
--> statement-breakpoint
CREATE TABLE "payment_notification" (
	"id" text PRIMARY KEY NOT NULL,
	"reference" text NOT NULL,
	"provider_id" text NOT NULL,
	"type" text NOT NULL,
	"received_at" timestamp (3) with time zone NOT NULL,
	"state" text NOT NULL,
	"handled_at" timestamp (3) with time zone,
	CONSTRAINT "payment_notification_id" CHECK (char_length("payment_notification"."id") between 1 and 200 and "payment_notification"."id" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment_notification"."id", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "payment_notification_reference" CHECK (char_length("payment_notification"."reference") between 1 and 200 and "payment_notification"."reference" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment_notification"."reference", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "payment_notification_provider_id" CHECK (char_length("payment_notification"."provider_id") between 1 and 200 and "payment_notification"."provider_id" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment_notification"."provider_id", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "payment_notification_type" CHECK (char_length("payment_notification"."type") between 1 and 200 and "payment_notification"."type" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment_notification"."type", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "payment_notification_state" CHECK ("payment_notification"."state" in ('received', 'handled', 'unmatched', 'returned')),
	CONSTRAINT "payment_notification_handled" CHECK (("payment_notification"."state" in ('handled', 'returned')) = ("payment_notification"."handled_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "payment_source" (
	"payment_id" uuid PRIMARY KEY NOT NULL,
	"shop_id" text NOT NULL,
	"source" text NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "payment_source_source" CHECK (char_length("payment_source"."source") between 1 and 200 and "payment_source"."source" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("payment_source"."source", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '')
);
--> statement-breakpoint
CREATE TABLE "refund_payment" (
	"order_id" uuid NOT NULL,
	"command_id" uuid NOT NULL,
	"payment_id" uuid NOT NULL,
	"amount" bigint NOT NULL,
	"state" text NOT NULL,
	"transfer_id" uuid,
	CONSTRAINT "refund_payment_pkey" PRIMARY KEY("order_id","command_id","payment_id"),
	CONSTRAINT "refund_payment_state" CHECK ("refund_payment"."state" in ('owed', 'sent', 'to_wallet')),
	CONSTRAINT "refund_payment_amount_positive" CHECK ("refund_payment"."amount" > 0),
	CONSTRAINT "refund_payment_sent" CHECK (("refund_payment"."state" = 'owed') = ("refund_payment"."transfer_id" is null))
);
--> statement-breakpoint
ALTER TABLE "published_event" DROP CONSTRAINT "published_event_type";--> statement-breakpoint
ALTER TABLE "attention" DROP CONSTRAINT "attention_step";--> statement-breakpoint
ALTER TABLE "attention" DROP CONSTRAINT "attention_reason";--> statement-breakpoint
ALTER TABLE "intervention" DROP CONSTRAINT "intervention_action";--> statement-breakpoint
ALTER TABLE "intervention" DROP CONSTRAINT "intervention_step";--> statement-breakpoint
ALTER TABLE "order_event" DROP CONSTRAINT "order_event_move";--> statement-breakpoint
ALTER TABLE "order_step" DROP CONSTRAINT "order_step_step";--> statement-breakpoint
ALTER TABLE "order_step" DROP CONSTRAINT "order_step_command";--> statement-breakpoint
ALTER TABLE "entry" DROP CONSTRAINT "entry_account";--> statement-breakpoint
ALTER TABLE "transfer" DROP CONSTRAINT "transfer_kind";--> statement-breakpoint
ALTER TABLE "finding" DROP CONSTRAINT "finding_kind";--> statement-breakpoint
ALTER TABLE "orders" ADD COLUMN "secured" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "orders" ADD COLUMN "deadline_extended" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "transfer" ADD COLUMN "payment_id" uuid;--> statement-breakpoint
ALTER TABLE "payment" ADD CONSTRAINT "payment_order" FOREIGN KEY ("shop_id","order_id") REFERENCES "public"."orders"("shop_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "payment_event" ADD CONSTRAINT "payment_event_payment_id_payment_id_fk" FOREIGN KEY ("payment_id") REFERENCES "public"."payment"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "payment_event" ADD CONSTRAINT "payment_event_follows" FOREIGN KEY ("payment_id","previous_version","from_state") REFERENCES "public"."payment_event"("payment_id","version","state") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "payment_hold" ADD CONSTRAINT "payment_hold_payment_id_payment_id_fk" FOREIGN KEY ("payment_id") REFERENCES "public"."payment"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "payment_hold" ADD CONSTRAINT "payment_hold_wallet" FOREIGN KEY ("shop_id","wallet_id") REFERENCES "public"."wallet"("shop_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refund_payment" ADD CONSTRAINT "refund_payment_payment_id_payment_id_fk" FOREIGN KEY ("payment_id") REFERENCES "public"."payment"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refund_payment" ADD CONSTRAINT "refund_payment_transfer_id_transfer_id_fk" FOREIGN KEY ("transfer_id") REFERENCES "public"."transfer"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refund_payment" ADD CONSTRAINT "refund_payment_refund" FOREIGN KEY ("order_id","command_id") REFERENCES "public"."refund"("order_id","command_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "payment_by_order" ON "payment" USING btree ("order_id","id");--> statement-breakpoint
CREATE INDEX "payment_unsettled" ON "payment" USING btree ("updated_at","id") WHERE state in ('pending', 'authorised', 'capturing') or (state = 'captured' and not secures);--> statement-breakpoint
CREATE INDEX "payment_unused" ON "payment" USING btree ("id") WHERE state = 'captured' and not secures;--> statement-breakpoint
CREATE INDEX "payment_hold_by_order" ON "payment_hold" USING btree ("order_id");--> statement-breakpoint
CREATE INDEX "payment_hold_held_by_wallet" ON "payment_hold" USING btree ("wallet_id","order_id","payment_id") WHERE state = 'held';--> statement-breakpoint
CREATE INDEX "payment_notification_unmatched" ON "payment_notification" USING btree ("reference","id") WHERE state in ('unmatched', 'returned');--> statement-breakpoint
CREATE INDEX "payment_notification_waiting" ON "payment_notification" USING btree ("received_at","id") WHERE state in ('received', 'unmatched');--> statement-breakpoint
CREATE INDEX "payment_notification_over" ON "payment_notification" USING btree ("received_at","id") WHERE state in ('handled', 'returned');--> statement-breakpoint
CREATE INDEX "refund_payment_owed" ON "refund_payment" USING btree ("payment_id") WHERE state = 'owed';--> statement-breakpoint
CREATE UNIQUE INDEX "transfer_one_receipt" ON "transfer" USING btree ("payment_id") WHERE kind = 'receipt';--> statement-breakpoint
CREATE UNIQUE INDEX "transfer_one_return_of_command" ON "transfer" USING btree ("payment_id","command_id") WHERE kind = 'return';--> statement-breakpoint
ALTER TABLE "published_event" ADD CONSTRAINT "published_event_type" CHECK ("type" in ('order.awaiting_payment', 'order.deadline_extended', 'order.rejected', 'order.paid', 'order.partially_refunded', 'order.refunded', 'order.cancelled', 'order.expired'));--> statement-breakpoint
ALTER TABLE "attention" ADD CONSTRAINT "attention_step" CHECK ("attention"."step" in ('reserve', 'abandon', 'pay', 'decline', 'openPayment', 'settle', 'extendDeadline', 'release', 'refund'));--> statement-breakpoint
ALTER TABLE "attention" ADD CONSTRAINT "attention_reason" CHECK ("attention"."reason" in ('reservation_failing', 'payment_failing', 'compensation_failing', 'refund_failing', 'wallet_full', 'payment_unknown'));--> statement-breakpoint
ALTER TABLE "intervention" ADD CONSTRAINT "intervention_action" CHECK ("intervention"."action" in ('retry_now', 'skip_step', 'give_up', 'resolve_payment'));--> statement-breakpoint
ALTER TABLE "intervention" ADD CONSTRAINT "intervention_step" CHECK ("intervention"."step" in ('reserve', 'abandon', 'pay', 'decline', 'openPayment', 'settle', 'extendDeadline', 'release', 'refund'));--> statement-breakpoint
ALTER TABLE "order_event" ADD CONSTRAINT "order_event_move" CHECK (("from_stage" is null and "stage" in ('awaiting_payment', 'rejected', 'cancelled')) or ("from_stage", "stage") in (('awaiting_payment', 'awaiting_payment'), ('awaiting_payment', 'paid'), ('awaiting_payment', 'cancelled'), ('awaiting_payment', 'expired'), ('paid', 'paid'), ('paid', 'refunded')));--> statement-breakpoint
-- The two largest tables are not read for this: what the rules before let in, these do, too.
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_step" CHECK ("order_step"."step" in ('reserve', 'abandon', 'pay', 'decline', 'openPayment', 'settle', 'extendDeadline', 'release', 'refund')) NOT VALID;--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_command" CHECK (case when "order_step"."step" in ('pay', 'openPayment') then "order_step"."command_id" <> '00000000-0000-0000-0000-000000000000' when "order_step"."step" = 'refund' then true else "order_step"."command_id" = '00000000-0000-0000-0000-000000000000' end) NOT VALID;--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_secured_at_most_total" CHECK ("orders"."secured" = 0 or ("orders"."stage" = 'awaiting_payment' and 0 < "orders"."secured" and "orders"."secured" <= "orders"."total") or ("orders"."stage" in ('paid', 'refunded') and "orders"."secured" = "orders"."total"));--> statement-breakpoint
ALTER TABLE "entry" ADD CONSTRAINT "entry_account" CHECK ("entry"."account" in ('wallet', 'funding', 'sales', 'provider', 'clearing')) NOT VALID;--> statement-breakpoint
ALTER TABLE "transfer" ADD CONSTRAINT "transfer_of_payment" CHECK (("transfer"."kind" in ('receipt', 'return')) = ("transfer"."payment_id" is not null));--> statement-breakpoint
ALTER TABLE "transfer" ADD CONSTRAINT "transfer_kind" CHECK ("transfer"."kind" in ('deposit', 'debit', 'capture', 'refund', 'receipt', 'return'));--> statement-breakpoint
ALTER TABLE "finding" ADD CONSTRAINT "finding_kind" CHECK ("finding"."kind" in ('workflow_missing', 'order_missing', 'order_overdue', 'units_held_by_closed_order', 'money_held_by_closed_order', 'money_taken_without_payment', 'paid_without_money', 'stock_counter_wrong', 'wallet_counter_wrong', 'stats_wrong', 'order_inconsistent', 'order_lost', 'transfer_unbalanced', 'workflow_failed', 'payment_inconsistent', 'payment_unreturned', 'payment_unmatched', 'look_failed', 'audit_broken'));--> statement-breakpoint
-- The monitor counts payments that are under way for too long, and the run that wakes payments is watched like the others.
ALTER TABLE "alert" DROP CONSTRAINT "alert_name";--> statement-breakpoint
ALTER TABLE "alert" ADD CONSTRAINT "alert_name" CHECK ("alert"."name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success', 'runs_overdue', 'webhooks_failing', 'events_unpublished', 'payments_unsettled'));--> statement-breakpoint
ALTER TABLE "measurement" DROP CONSTRAINT "measurement_name";--> statement-breakpoint
ALTER TABLE "measurement" ADD CONSTRAINT "measurement_name" CHECK ("name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success', 'runs_overdue', 'webhooks_failing', 'events_unpublished', 'payments_unsettled'));--> statement-breakpoint
ALTER TABLE "run_end" DROP CONSTRAINT "run_end_run";--> statement-breakpoint
ALTER TABLE "run_end" ADD CONSTRAINT "run_end_run" CHECK ("run_end"."run" in ('reconcile', 'stats', 'monitor', 'retention', 'seal', 'webhooks', 'payments'));
--> statement-breakpoint

-- As 0017 has it, and for payments in parts.
CREATE OR REPLACE FUNCTION key_needed_at(operation text, command_id uuid, response_status integer, claimed_until timestamptz)
RETURNS TABLE (needed_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT CASE
    -- Whoever has no answer yet may still come for it.
    WHEN response_status IS NULL THEN 'infinity'
    -- Payments of orders that are still open: a retry must not pay by an intent that was refused long ago, nor pay a part once more.
    WHEN operation <> 'createOrder' THEN
      CASE
        WHEN command_id IN (
          SELECT order_step.command_id
          FROM orders JOIN order_step ON order_step.order_id = orders.id AND order_step.step IN ('pay', 'openPayment')
          WHERE orders.stage = 'awaiting_payment'
        ) THEN 'infinity'
        -- Somebody may have come back after a long time: then the key is as young as its answer.
        ELSE claimed_until
      END
    ELSE
      coalesce(
        (
          SELECT CASE
            WHEN orders.stage = 'awaiting_payment' THEN 'infinity'
            WHEN response_status = 201 THEN greatest(orders.updated_at, claimed_until)
            ELSE claimed_until
          END
          FROM orders WHERE orders.id = command_id
        ),
        -- An order that was given to its caller and is missing must go on being found: its key is the proof.
        CASE WHEN response_status = 201 THEN 'infinity' ELSE claimed_until END
      )
  END
$$;
--> statement-breakpoint

-- A deadline that is put off is a move from awaiting payment to awaiting payment.
CREATE OR REPLACE FUNCTION type_of_move(from_stage text, stage text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT
    CASE
      WHEN from_stage = 'paid' AND stage = 'paid' THEN 'order.partially_refunded'
      WHEN from_stage = 'awaiting_payment' AND stage = 'awaiting_payment' THEN 'order.deadline_extended'
      ELSE 'order.' || stage
    END
$$;
--> statement-breakpoint
-- A payment's state and version are those of its last event, as an order's are.
ALTER TABLE payment
  ADD CONSTRAINT payment_at_last_event
  FOREIGN KEY (id, version, state) REFERENCES payment_event (payment_id, version, state);
--> statement-breakpoint
-- What does not secure its order any more never does again, and what of a refund was sent stays sent.
CREATE FUNCTION refuse_return() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a row of % does not become what it was', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;
--> statement-breakpoint
CREATE TRIGGER payment_secures_until_it_does_not BEFORE UPDATE ON payment
  FOR EACH ROW WHEN (NEW.secures AND NOT OLD.secures) EXECUTE FUNCTION refuse_return();
--> statement-breakpoint
CREATE TRIGGER refund_payment_is_sent_once BEFORE UPDATE ON refund_payment
  FOR EACH ROW WHEN (OLD.state <> 'owed') EXECUTE FUNCTION refuse_return();
--> statement-breakpoint
CREATE TRIGGER payment_event_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
-- Of a hold that has ended, only what went back into the wallet is counted further.
CREATE TRIGGER payment_hold_ends_once BEFORE UPDATE ON payment_hold
  FOR EACH ROW
  WHEN (OLD.state <> 'held' AND (NEW.state <> OLD.state OR NEW.amount <> OLD.amount OR NEW.returned < OLD.returned))
  EXECUTE FUNCTION refuse_second_end();
--> statement-breakpoint

-- What the statements in db/steps/payments/ and db/payments/ do.
GRANT UPDATE (secured, payment_deadline, deadline_extended) ON orders TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (state, secures, refunded, provider_id, reason, updated_at, version) ON payment TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT ON payment_event TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, DELETE ON payment_source TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (amount, state, returned) ON payment_hold TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (state, transfer_id) ON refund_payment TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (state, handled_at), DELETE ON payment_notification TO holdfast_running;--> statement-breakpoint
GRANT SELECT ON payment, payment_hold, refund_payment TO holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint
-- A caller who asks for a void takes the payment out of what secures its order. Every other step is the worker's.
GRANT UPDATE (secures, reason, updated_at) ON payment TO holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint
GRANT UPDATE (secured) ON orders TO holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint
-- Callers leave there what their buyer pays with, and never read it.
GRANT INSERT ON payment_source TO holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint

CREATE POLICY secured_by_buyer ON orders FOR UPDATE TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop') AND buyer_id = current_setting('holdfast.buyer'));--> statement-breakpoint
ALTER TABLE payment ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON payment TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON payment TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON payment TO holdfast_buyer USING (EXISTS (SELECT FROM orders WHERE orders.id = payment.order_id OFFSET 0));--> statement-breakpoint
CREATE POLICY of_installation ON payment TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE payment_source ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON payment_source TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON payment_source FOR INSERT TO holdfast_shop, holdfast_buyer WITH CHECK (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON payment_source FOR INSERT TO holdfast_installation WITH CHECK (true);--> statement-breakpoint
ALTER TABLE payment_hold ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON payment_hold TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_parent ON payment_hold FOR SELECT TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = payment_hold.order_id OFFSET 0));--> statement-breakpoint
ALTER TABLE refund_payment ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON refund_payment TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_parent ON refund_payment FOR SELECT TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = refund_payment.order_id OFFSET 0));--> statement-breakpoint

-- Each change of a payment is in the audit, and who asked for it. What the buyer pays with never is.
CREATE FUNCTION audit_payment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, order_id, why, before, after)
    SELECT
      'payment', added.shop_id, added.id, added.order_id, added.reason,
      json_build_object(
        'state', removed.state, 'version', removed.version, 'secures', removed.secures, 'refunded', removed.refunded,
        'providerId', removed.provider_id
      ),
      json_build_object(
        'state', added.state, 'version', added.version, 'secures', added.secures, 'refunded', added.refunded,
        'providerId', added.provider_id
      )
    FROM removed JOIN added USING (id)
    WHERE
      (added.state, added.version, added.secures, added.refunded, added.provider_id)
      IS DISTINCT FROM (removed.state, removed.version, removed.secures, removed.refunded, removed.provider_id);
  ELSE
    -- A payment's id is the id of the command that opened it.
    INSERT INTO audit_inbox (kind, shop_id, subject, order_id, command_id, after)
    SELECT
      'payment', shop_id, id, order_id, id,
      json_build_object(
        'method', method, 'amount', amount, 'currency', currency,
        'state', state, 'version', version, 'secures', secures, 'refunded', refunded, 'providerId', provider_id
      )
    FROM added;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER payment_is_audited_when_added AFTER INSERT ON payment
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_payment();
--> statement-breakpoint
CREATE TRIGGER payment_is_audited_when_changed AFTER UPDATE ON payment
  REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_payment();
--> statement-breakpoint
ALTER TABLE payment ENABLE ALWAYS TRIGGER payment_is_audited_when_added;
--> statement-breakpoint
ALTER TABLE payment ENABLE ALWAYS TRIGGER payment_is_audited_when_changed;
--> statement-breakpoint
REVOKE ALL ON FUNCTION audit_payment() FROM PUBLIC;
--> statement-breakpoint
-- As 0013 has it, and for the payment that a command opened.
CREATE OR REPLACE FUNCTION seal_audit(at_most integer) RETURNS TABLE (sealed integer, seq bigint, hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  head audit_head;
  change audit;
  chained audit[] := ARRAY[]::audit[];
BEGIN
  sealed := 0;
  SELECT * INTO STRICT head FROM audit_head FOR UPDATE;
  -- A later snapshot than the lock: it shows what another run has left.
  FOR change IN
    WITH
    oldest AS MATERIALIZED (
      SELECT id, transaction FROM audit_inbox ORDER BY id LIMIT at_most
    ),
    taken AS (
      -- With the other rows of their transactions, which say whose deed they are. A step inserts its rows at once, so they are near.
      DELETE FROM audit_inbox
      WHERE
        id <= (SELECT max(id) FROM oldest) + 10000
        AND (id <= (SELECT max(id) FROM oldest) OR transaction IN (SELECT transaction FROM oldest))
      RETURNING *
    ),
    -- Whose command was it, and by which request? A command that nobody sent is Holdfast's own.
    commanded AS MATERIALIZED (
      SELECT
        taken.*, orders.shop_id AS order_shop,
        coalesce(call.caller, 'operator:' || person.actor, taken.actor) AS by_whom,
        coalesce(taken.request_id, call.request_id) AS by_request
      FROM taken
      LEFT JOIN LATERAL (
        SELECT shop_id FROM orders WHERE orders.id = taken.order_id LIMIT 1
      ) AS orders ON taken.kind = 'order'
      LEFT JOIN LATERAL (
        -- One index for orders, one for all other calls. Keys from before 0.6 have no caller.
        SELECT nullif(caller, '') AS caller, request_id FROM idempotency_key
        WHERE operation = 'createOrder' AND command_id = taken.command_id
        UNION ALL
        SELECT nullif(caller, ''), request_id FROM idempotency_key
        WHERE operation <> 'createOrder' AND command_id = taken.command_id
        LIMIT 1
      ) AS call ON taken.kind IN ('order', 'payment') AND taken.actor = 'holdfast'
      LEFT JOIN LATERAL (
        -- An order that a person gave up. That person's note is recorded apart from the order's stage, but before or soon after it.
        SELECT actor FROM intervention
        WHERE order_id = taken.order_id AND action = 'give_up' AND reason = taken.why
        ORDER BY at DESC
        LIMIT 1
      ) AS person ON taken.kind = 'order' AND taken.actor = 'holdfast' AND taken.command_id IS NULL
    ),
    -- Of which order is what a step did besides? Of a statement for many orders, nobody can say.
    only_order AS (
      SELECT
        transaction, (array_agg(order_id))[1] AS order_id, (array_agg(command_id))[1] AS command_id,
        min(by_whom) AS by_whom, min(by_request) AS by_request
      FROM commanded
      WHERE kind = 'order'
      GROUP BY transaction
      HAVING count(*) = 1
    )
    SELECT
      0::bigint, one.recorded_at, one.transaction, one.kind, coalesce(one.shop_id, one.order_shop), one.subject,
      coalesce(one.order_id, only_order.order_id), coalesce(one.command_id, only_order.command_id),
      coalesce(only_order.by_whom, one.by_whom), coalesce(one.by_request, only_order.by_request),
      one.why, one.before, one.after, '', '', clock_timestamp()
    FROM commanded AS one
    LEFT JOIN only_order ON only_order.transaction = one.transaction AND one.kind <> 'order' AND one.actor = 'holdfast'
    ORDER BY one.id
  LOOP
    sealed := sealed + 1;
    change.seq := head.seq + 1;
    change.previous_hash := head.hash;
    change.hash := audit_hash(change);
    chained := chained || change;
    head.seq := change.seq;
    head.hash := change.hash;
  END LOOP;
  IF sealed > 0 THEN
    -- At once, which takes a quarter less than an insert for each.
    INSERT INTO audit SELECT one.* FROM unnest(chained) AS one;
    UPDATE audit_head SET seq = head.seq, hash = head.hash;
  END IF;
  seq := head.seq;
  hash := head.hash;
  RETURN NEXT;
END $$;
--> statement-breakpoint
ALTER TABLE "audit_inbox" DROP CONSTRAINT "audit_inbox_kind";--> statement-breakpoint
ALTER TABLE "audit_inbox" ADD CONSTRAINT "audit_inbox_kind" CHECK ("audit_inbox"."kind" in ('order', 'payment', 'wallet', 'sku', 'wallet_permission', 'api_key', 'api_key_secret', 'shop', 'intervention', 'repair', 'settings', 'personal_data', 'retention', 'webhook', 'webhook_secret'));
