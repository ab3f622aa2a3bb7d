-- Where shops have their events sent: the addresses, the secrets that sign, what is to be sent, and what became of each attempt.
-- db/schema/webhooks.ts says what each column is.
CREATE TABLE "webhook" (
	"id" uuid PRIMARY KEY NOT NULL,
	"shop_id" text NOT NULL,
	"url" text NOT NULL,
	"description" text,
	"types" text,
	"state" text DEFAULT 'active' NOT NULL,
	"disabled_reason" text,
	"failing_since" timestamp (3) with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"retry_at" timestamp (3) with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "webhook_url" CHECK ("webhook"."url" ~ '^https?://' and char_length("webhook"."url") <= 2048),
	CONSTRAINT "webhook_description" CHECK (char_length("webhook"."description") between 1 and 200 and "webhook"."description" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("webhook"."description", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "webhook_types" CHECK ("webhook"."types" ~ '^[a-z_.]+( [a-z_.]+)*$'),
	CONSTRAINT "webhook_state" CHECK ("webhook"."state" in ('active', 'disabled')),
	CONSTRAINT "webhook_disabled_reason" CHECK ("webhook"."disabled_reason" in ('owner', 'failing', 'gone')),
	CONSTRAINT "webhook_disabled_for_a_reason" CHECK (("webhook"."state" = 'disabled') = ("webhook"."disabled_reason" is not null)),
	CONSTRAINT "webhook_failures" CHECK (("webhook"."failures" > 0) = ("webhook"."failing_since" is not null))
);
--> statement-breakpoint
CREATE TABLE "webhook_secret" (
	"webhook_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"sealed" "bytea" NOT NULL,
	"sealing_key" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	CONSTRAINT "webhook_secret_pkey" PRIMARY KEY("webhook_id","id"),
	CONSTRAINT "webhook_secret_sealed" CHECK (octet_length("webhook_secret"."sealed") between 60 and 60),
	CONSTRAINT "webhook_secret_sealing_key" CHECK ("webhook_secret"."sealing_key" ~ '^[A-Za-z0-9._-]{1,40}$')
);
--> statement-breakpoint
CREATE TABLE "webhook_delivery" (
	"id" uuid PRIMARY KEY NOT NULL,
	"webhook_id" uuid NOT NULL,
	"shop_id" text NOT NULL,
	"event_id" text NOT NULL,
	"type" text NOT NULL,
	"kind" text NOT NULL,
	"command_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"order_id" uuid,
	"version" integer,
	"sequence" bigint,
	"state" text DEFAULT 'pending' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"first_attempt_at" timestamp (3) with time zone,
	"due_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "webhook_delivery_once" UNIQUE("webhook_id","event_id","command_id"),
	CONSTRAINT "webhook_delivery_kind" CHECK ("webhook_delivery"."kind" in ('event', 'redelivery', 'test')),
	CONSTRAINT "webhook_delivery_state" CHECK ("webhook_delivery"."state" in ('pending', 'delivered', 'given_up')),
	CONSTRAINT "webhook_delivery_ended" CHECK (("webhook_delivery"."state" = 'pending') = ("webhook_delivery"."ended_at" is null)),
	CONSTRAINT "webhook_delivery_of_order" CHECK (("webhook_delivery"."kind" = 'test') = ("webhook_delivery"."order_id" is null)),
	CONSTRAINT "webhook_delivery_of_event" CHECK (("webhook_delivery"."order_id" is null) = ("webhook_delivery"."version" is null)),
	CONSTRAINT "webhook_delivery_by_command" CHECK (("webhook_delivery"."kind" = 'event') = ("webhook_delivery"."command_id" = '00000000-0000-0000-0000-000000000000'))
);
--> statement-breakpoint
CREATE TABLE "webhook_attempt" (
	"delivery_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"shop_id" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"duration_ms" integer NOT NULL,
	"status" integer,
	"failure" text,
	"cause" text,
	CONSTRAINT "webhook_attempt_pkey" PRIMARY KEY("delivery_id","number"),
	CONSTRAINT "webhook_attempt_status" CHECK ("webhook_attempt"."status" between 100 and 999),
	CONSTRAINT "webhook_attempt_failure" CHECK ("webhook_attempt"."failure" ~ '^[a-z_]+$'),
	CONSTRAINT "webhook_attempt_cause" CHECK (char_length("webhook_attempt"."cause") between 1 and 200 and "webhook_attempt"."cause" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("webhook_attempt"."cause", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '')
) PARTITION BY RANGE ("delivery_id");
--> statement-breakpoint
ALTER TABLE "webhook" ADD CONSTRAINT "webhook_shop_id_shop_id_fk" FOREIGN KEY ("shop_id") REFERENCES "public"."shop"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_secret" ADD CONSTRAINT "webhook_secret_webhook_id_webhook_id_fk" FOREIGN KEY ("webhook_id") REFERENCES "public"."webhook"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "webhook_by_shop" ON "webhook" USING btree ("shop_id","id");--> statement-breakpoint
CREATE INDEX "webhook_delivery_by_webhook" ON "webhook_delivery" USING btree ("webhook_id","id");--> statement-breakpoint
CREATE INDEX "webhook_delivery_by_state" ON "webhook_delivery" USING btree ("webhook_id","state","id");--> statement-breakpoint
CREATE INDEX "webhook_delivery_due" ON "webhook_delivery" USING btree ("webhook_id","due_at") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "webhook_delivery_waiting" ON "webhook_delivery" USING btree ("webhook_id","order_id","kind","version") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "webhook_delivery_tried" ON "webhook_delivery" USING btree ("webhook_id") WHERE state = 'pending' and first_attempt_at is not null;--> statement-breakpoint

-- The attempts in months of their deliveries, as 0012 keeps other tables: see there. What is younger than a week is never dropped.
CREATE TABLE webhook_attempt_default PARTITION OF webhook_attempt DEFAULT;
--> statement-breakpoint
CREATE TRIGGER webhook_attempt_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON webhook_attempt
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
INSERT INTO partitioned_table VALUES ('webhook_attempt', 'delivery_id', 'id', '7 days', true, NULL);
--> statement-breakpoint
SELECT keep_to_owner('webhook_attempt_default'::regclass), refuse_changes_of(known, 'webhook_attempt_default'::regclass)
FROM partitioned_table AS known WHERE name = 'webhook_attempt';
--> statement-breakpoint
SELECT make_months_of('webhook_attempt', now(), 3);
--> statement-breakpoint

-- A UUIDv7 of this moment. Within a millisecond, its next twelve bits are the fraction: ids of one session sort as they were made.
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (
    lpad(to_hex(now.microseconds / 1000), 12, '0')
    || to_hex(28672 + now.microseconds % 1000 * 4096 / 1000)
    || right(replace(gen_random_uuid()::text, '-', ''), 16)
  )::uuid
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now (microseconds)
$$;
--> statement-breakpoint

-- What the statements in db/webhooks/ do. What is to be sent because it happened is written by a trigger, which runs as its owner.
GRANT SELECT, UPDATE (state, disabled_reason, failing_since, failures, retry_at, version, updated_at) ON webhook TO holdfast_running;
--> statement-breakpoint
-- Only a rotation of the installation's keys changes a secret's row.
GRANT SELECT, UPDATE (sealed, sealing_key) ON webhook_secret TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, UPDATE (state, attempts, first_attempt_at, due_at, ended_at), DELETE ON webhook_delivery TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT ON webhook_attempt TO holdfast_running;
--> statement-breakpoint
GRANT
  SELECT, INSERT, UPDATE (url, description, types, state, disabled_reason, failing_since, failures, retry_at, version, updated_at), DELETE
  ON webhook TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
-- Not the secret itself, encrypted as it is: only what sends reads it.
GRANT SELECT (webhook_id, id, sealing_key, created_at, expires_at), INSERT, UPDATE (sealed, sealing_key, expires_at) ON webhook_secret
  TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (due_at, first_attempt_at) ON webhook_delivery TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
GRANT SELECT ON webhook_attempt TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
REVOKE ALL ON FUNCTION new_id() FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION new_id() TO holdfast_shop, holdfast_installation;
--> statement-breakpoint

ALTER TABLE webhook ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON webhook TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON webhook TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON webhook TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE webhook_delivery ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON webhook_delivery TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON webhook_delivery TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON webhook_delivery TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE webhook_attempt ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON webhook_attempt TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON webhook_attempt TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON webhook_attempt TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE webhook_secret ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON webhook_secret TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_parent ON webhook_secret TO holdfast_shop, holdfast_installation
  USING (EXISTS (SELECT FROM webhook WHERE webhook.id = webhook_secret.webhook_id OFFSET 0));
--> statement-breakpoint

-- What is published is to be sent to the webhooks that are there and want it: written with the event's number, by the transaction that gives
-- it, so that no event is forgotten and none is sent before it can be read. One that failed for too long goes on collecting; one that its
-- shop switched off does not.
CREATE FUNCTION queue_for_webhooks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO webhook_delivery (id, webhook_id, shop_id, event_id, type, kind, order_id, version, sequence, due_at, created_at)
  SELECT
    new_id(), receiver.id, added.shop_id, added.order_id || '-' || added.version, added.type, 'event', added.order_id, added.version,
    added.sequence, added.published_at, added.published_at
  FROM added JOIN webhook AS receiver ON receiver.shop_id = added.shop_id
  WHERE
    (receiver.state = 'active' OR receiver.disabled_reason <> 'owner')
    AND (receiver.types IS NULL OR added.type = ANY (string_to_array(receiver.types, ' ')))
  ORDER BY added.shop_id, added.sequence
  -- An event that is published again, because its row was lost, was sent: it holds up no other.
  ON CONFLICT (webhook_id, event_id, command_id) DO NOTHING;
  RETURN NULL;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION queue_for_webhooks() FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER published_event_is_queued AFTER INSERT ON published_event
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION queue_for_webhooks();
--> statement-breakpoint
ALTER TABLE published_event ENABLE ALWAYS TRIGGER published_event_is_queued;
--> statement-breakpoint

-- Who changed where events are sent is in the audit. An address may have a password behind its question mark, which stays where it is.
CREATE FUNCTION audit_webhook() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, before, after)
    SELECT
      'webhook', added.shop_id, added.id,
      json_build_object(
        'url', split_part(removed.url, '?', 1), 'description', removed.description, 'types', removed.types, 'state', removed.state,
        'disabledReason', removed.disabled_reason
      ),
      json_build_object(
        'url', split_part(added.url, '?', 1), 'description', added.description, 'types', added.types, 'state', added.state,
        'disabledReason', added.disabled_reason
      )
    FROM removed JOIN added USING (id)
    WHERE
      (added.url, added.description, added.types, added.state, added.disabled_reason)
      IS DISTINCT FROM (removed.url, removed.description, removed.types, removed.state, removed.disabled_reason);
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT
      'webhook', shop_id, id,
      json_build_object(
        'url', split_part(url, '?', 1), 'description', description, 'types', types, 'state', state, 'disabledReason', disabled_reason
      )
    FROM added;
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, before)
    SELECT
      'webhook', shop_id, id,
      json_build_object(
        'url', split_part(url, '?', 1), 'description', description, 'types', types, 'state', state, 'disabledReason', disabled_reason
      )
    FROM removed;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- A secret is named by its webhook and its age. Encrypting it with another key of the installation is no change of it. With its webhook it
-- goes unmentioned: that is recorded.
CREATE FUNCTION audit_webhook_secret() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, before, after)
    SELECT
      'webhook_secret', (SELECT shop_id FROM webhook WHERE webhook.id = added.webhook_id), added.webhook_id,
      json_build_object('secret', removed.id, 'createdAt', removed.created_at, 'expiresAt', removed.expires_at),
      json_build_object('secret', added.id, 'createdAt', added.created_at, 'expiresAt', added.expires_at)
    FROM removed JOIN added USING (webhook_id, id)
    WHERE (added.created_at, added.expires_at) IS DISTINCT FROM (removed.created_at, removed.expires_at);
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT
      'webhook_secret', (SELECT shop_id FROM webhook WHERE webhook.id = added.webhook_id), webhook_id,
      json_build_object('secret', id, 'createdAt', created_at, 'expiresAt', expires_at)
    FROM added;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
DO $$
DECLARE
  event text;
  tables text;
BEGIN
  FOREACH event IN ARRAY ARRAY['added', 'changed', 'removed'] LOOP
    tables := CASE event WHEN 'added' THEN 'NEW TABLE AS added' WHEN 'removed' THEN 'OLD TABLE AS removed'
      ELSE 'OLD TABLE AS removed NEW TABLE AS added' END;
    EXECUTE format(
      'CREATE TRIGGER webhook_is_audited_when_%s AFTER %s ON webhook REFERENCING %s FOR EACH STATEMENT EXECUTE FUNCTION audit_webhook()',
      event, CASE event WHEN 'added' THEN 'INSERT' WHEN 'changed' THEN 'UPDATE' ELSE 'DELETE' END, tables
    );
    EXECUTE format('ALTER TABLE webhook ENABLE ALWAYS TRIGGER webhook_is_audited_when_%s', event);
  END LOOP;
END $$;
--> statement-breakpoint
CREATE TRIGGER webhook_secret_is_audited_when_added AFTER INSERT ON webhook_secret
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_webhook_secret();
--> statement-breakpoint
CREATE TRIGGER webhook_secret_is_audited_when_changed AFTER UPDATE ON webhook_secret
  REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_webhook_secret();
--> statement-breakpoint
ALTER TABLE webhook_secret ENABLE ALWAYS TRIGGER webhook_secret_is_audited_when_added;
--> statement-breakpoint
ALTER TABLE webhook_secret ENABLE ALWAYS TRIGGER webhook_secret_is_audited_when_changed;
--> statement-breakpoint
REVOKE ALL ON FUNCTION audit_webhook(), audit_webhook_secret() FROM PUBLIC;
--> statement-breakpoint
ALTER TABLE "audit_inbox" DROP CONSTRAINT "audit_inbox_kind";--> statement-breakpoint
ALTER TABLE "audit_inbox" ADD CONSTRAINT "audit_inbox_kind" CHECK ("audit_inbox"."kind" in ('order', 'wallet', 'sku', 'wallet_permission', 'api_key', 'api_key_secret', 'shop', 'intervention', 'repair', 'settings', 'personal_data', 'retention', 'webhook', 'webhook_secret'));
--> statement-breakpoint

-- The monitor counts webhooks that fail and asks how long events wait, and the run that wakes what sends to them is watched like the others.
ALTER TABLE "alert" DROP CONSTRAINT "alert_name";--> statement-breakpoint
ALTER TABLE "alert" ADD CONSTRAINT "alert_name" CHECK ("alert"."name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success', 'runs_overdue', 'webhooks_failing', 'events_unpublished'));--> statement-breakpoint
ALTER TABLE "measurement" DROP CONSTRAINT "measurement_name";--> statement-breakpoint
ALTER TABLE "measurement" ADD CONSTRAINT "measurement_name" CHECK ("name" in ('orders_past_deadline', 'orders_pending_long', 'busy_buyers', 'stock_anomalies', 'payment_failure_rate', 'order_latency_p99', 'database_connections', 'abnormal_orders', 'order_success', 'runs_overdue', 'webhooks_failing', 'events_unpublished'));--> statement-breakpoint
ALTER TABLE "run_end" DROP CONSTRAINT "run_end_run";--> statement-breakpoint
ALTER TABLE "run_end" ADD CONSTRAINT "run_end_run" CHECK ("run_end"."run" in ('reconcile', 'stats', 'monitor', 'retention', 'seal', 'webhooks'));
