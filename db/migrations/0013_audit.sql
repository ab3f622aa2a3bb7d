-- Who changed what, when and why. A change leaves a row in audit_inbox, in its own transaction and by plain inserts; sealing moves the rows
-- to the audit, numbers them without gaps, and chains them by hashes. Nobody writes to these tables but the functions here, which run as
-- their owner.
ALTER TABLE "idempotency_key" ADD COLUMN "request_id" text;--> statement-breakpoint
CREATE TABLE "audit_inbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_inbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	"transaction" bigint DEFAULT pg_current_xact_id()::text::bigint NOT NULL,
	"kind" text NOT NULL,
	"shop_id" text,
	"subject" text NOT NULL,
	"order_id" uuid,
	"command_id" uuid,
	"actor" text DEFAULT coalesce(nullif(current_setting('holdfast.actor', true), ''), 'database:' || session_user) NOT NULL,
	"request_id" text DEFAULT nullif(current_setting('holdfast.request_id', true), ''),
	"why" text,
	"before" json,
	"after" json,
	CONSTRAINT "audit_inbox_kind" CHECK ("audit_inbox"."kind" in ('order', 'wallet', 'sku', 'wallet_permission', 'api_key', 'api_key_secret', 'shop', 'intervention', 'repair', 'settings', 'personal_data', 'retention'))
);
--> statement-breakpoint
CREATE TABLE "audit" (
	"seq" bigint NOT NULL,
	"recorded_at" timestamp with time zone NOT NULL,
	"transaction" bigint NOT NULL,
	"kind" text NOT NULL,
	"shop_id" text,
	"subject" text NOT NULL,
	"order_id" uuid,
	"command_id" uuid,
	"actor" text NOT NULL,
	"request_id" text,
	"why" text,
	"before" json,
	"after" json,
	"previous_hash" text NOT NULL,
	"hash" text NOT NULL,
	"sealed_at" timestamp with time zone NOT NULL,
	CONSTRAINT "audit_pkey" PRIMARY KEY("recorded_at","seq")
) PARTITION BY RANGE ("recorded_at");
--> statement-breakpoint
CREATE TABLE "audit_head" (
	"id" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"seq" bigint NOT NULL,
	"hash" text NOT NULL,
	"began_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "audit_head_one_row" CHECK ("audit_head"."id")
);
--> statement-breakpoint
CREATE TABLE "settings_seen" (
	"process" text PRIMARY KEY NOT NULL,
	"settings" json NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "audit_by_seq" ON "audit" USING btree ("seq");--> statement-breakpoint
CREATE INDEX "audit_by_shop" ON "audit" USING btree ("shop_id","seq");--> statement-breakpoint
CREATE INDEX "audit_by_subject" ON "audit" USING btree ("subject","seq");--> statement-breakpoint
CREATE INDEX "audit_by_actor" ON "audit" USING btree ("actor","seq");--> statement-breakpoint
CREATE INDEX "audit_by_rare_kind" ON "audit" USING btree ("kind","seq") WHERE kind not in ('order', 'wallet', 'sku');--> statement-breakpoint
CREATE INDEX "audit_by_order" ON "audit" USING btree ("order_id","seq") WHERE order_id is not null;--> statement-breakpoint
INSERT INTO audit_head (seq, hash) VALUES (0, repeat('0', 64));
--> statement-breakpoint

-- In months, as 0012 keeps other tables: see there. What is younger than 90 days is never dropped.
CREATE TABLE audit_default PARTITION OF audit DEFAULT;
--> statement-breakpoint
CREATE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
INSERT INTO partitioned_table VALUES ('audit', 'recorded_at', 'instant', '90 days', true, NULL);
--> statement-breakpoint
SELECT keep_to_owner('audit_default'::regclass), refuse_changes_of(known, 'audit_default'::regclass)
FROM partitioned_table AS known WHERE name = 'audit';
--> statement-breakpoint
SELECT make_months_of('audit', now(), 3);
--> statement-breakpoint

-- What changed, by table. A trigger for each statement, since one statement of the reservation queue records many orders. A statement that
-- leaves the columns as they were leaves no row. What is known elsewhere (an order's shop, who sent a command) is left to sealing.
CREATE FUNCTION audit_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO audit_inbox (kind, subject, order_id, command_id, why, before, after)
  SELECT
    'order', order_id, order_id,
    -- An order's own id is the id of the command that placed it.
    coalesce(command_id, CASE WHEN version = 1 THEN order_id END),
    reason,
    CASE WHEN version > 1 THEN json_build_object('stage', from_stage, 'version', previous_version) END,
    json_build_object('stage', stage, 'version', version)
  FROM added;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER order_event_is_audited AFTER INSERT ON order_event
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION audit_order();
--> statement-breakpoint

CREATE FUNCTION audit_wallet() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, before, after)
    SELECT
      'wallet', added.shop_id, added.id,
      json_build_object('posted', removed.posted, 'held', removed.held),
      json_build_object('posted', added.posted, 'held', added.held)
    FROM removed JOIN added USING (id)
    WHERE added.posted <> removed.posted OR added.held <> removed.held;
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT 'wallet', shop_id, id, json_build_object('ownerId', owner_id, 'currency', currency, 'posted', posted, 'held', held)
    FROM added;
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, before)
    SELECT 'wallet', shop_id, id, json_build_object('ownerId', owner_id, 'currency', currency, 'posted', posted, 'held', held)
    FROM removed;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

CREATE FUNCTION audit_sku() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, before, after)
    SELECT
      'sku', added.shop_id, added.shop_id || '/' || added.sku,
      json_build_object(
        'name', removed.name, 'price', removed.price, 'currency', removed.currency,
        'onHand', removed.on_hand, 'reserved', removed.reserved
      ),
      json_build_object(
        'name', added.name, 'price', added.price, 'currency', added.currency,
        'onHand', added.on_hand, 'reserved', added.reserved
      )
    FROM removed JOIN added USING (shop_id, sku)
    WHERE
      added.on_hand <> removed.on_hand OR added.reserved <> removed.reserved OR added.price <> removed.price
      OR added.currency <> removed.currency OR added.name <> removed.name;
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT
      'sku', shop_id, shop_id || '/' || sku,
      json_build_object('name', name, 'price', price, 'currency', currency, 'onHand', on_hand, 'reserved', reserved)
    FROM added;
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, before)
    SELECT
      'sku', shop_id, shop_id || '/' || sku,
      json_build_object('name', name, 'price', price, 'currency', currency, 'onHand', on_hand, 'reserved', reserved)
    FROM removed;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

CREATE FUNCTION audit_wallet_permission() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT
      'wallet_permission', (SELECT shop_id FROM wallet WHERE id = wallet_id), wallet_id || '/' || buyer_id,
      json_build_object('walletId', wallet_id, 'buyerId', buyer_id)
    FROM added;
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, before)
    SELECT
      'wallet_permission', (SELECT shop_id FROM wallet WHERE id = wallet_id), wallet_id || '/' || buyer_id,
      json_build_object('walletId', wallet_id, 'buyerId', buyer_id)
    FROM removed;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- When a key was last used is no change of it.
CREATE FUNCTION audit_api_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, before, after)
    SELECT
      'api_key', added.shop_id, added.id,
      json_build_object(
        'shop', removed.shop_id, 'name', removed.name, 'roles', removed.roles, 'scopes', removed.scopes,
        'expiresAt', removed.expires_at, 'revokedAt', removed.revoked_at, 'isDevelopment', removed.is_development
      ),
      json_build_object(
        'shop', added.shop_id, 'name', added.name, 'roles', added.roles, 'scopes', added.scopes,
        'expiresAt', added.expires_at, 'revokedAt', added.revoked_at, 'isDevelopment', added.is_development
      )
    FROM removed JOIN added USING (id)
    WHERE
      (added.shop_id, added.name, added.roles, added.scopes, added.expires_at, added.revoked_at, added.is_development)
      IS DISTINCT FROM
      (removed.shop_id, removed.name, removed.roles, removed.scopes, removed.expires_at, removed.revoked_at, removed.is_development);
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT
      'api_key', shop_id, id,
      json_build_object(
        'shop', shop_id, 'name', name, 'roles', roles, 'scopes', scopes,
        'expiresAt', expires_at, 'revokedAt', revoked_at, 'isDevelopment', is_development
      )
    FROM added;
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, before)
    SELECT
      'api_key', shop_id, id,
      json_build_object(
        'shop', shop_id, 'name', name, 'roles', roles, 'scopes', scopes,
        'expiresAt', expires_at, 'revokedAt', revoked_at, 'isDevelopment', is_development
      )
    FROM removed;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- A secret is named by its key and its age: its hash stays where it is.
CREATE FUNCTION audit_api_key_secret() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, before, after)
    SELECT
      'api_key_secret', (SELECT shop_id FROM api_key WHERE id = added.key_id), added.key_id,
      json_build_object('createdAt', removed.created_at, 'expiresAt', removed.expires_at),
      json_build_object('createdAt', added.created_at, 'expiresAt', added.expires_at)
    FROM removed JOIN added USING (hash)
    WHERE (added.key_id, added.created_at, added.expires_at) IS DISTINCT FROM (removed.key_id, removed.created_at, removed.expires_at);
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT
      'api_key_secret', (SELECT shop_id FROM api_key WHERE id = key_id), key_id,
      json_build_object('createdAt', created_at, 'expiresAt', expires_at)
    FROM added;
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, before)
    SELECT
      'api_key_secret', (SELECT shop_id FROM api_key WHERE id = key_id), key_id,
      json_build_object('createdAt', created_at, 'expiresAt', expires_at)
    FROM removed;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

CREATE FUNCTION audit_shop() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, before, after)
    SELECT 'shop', added.id, added.id, json_build_object('name', removed.name), json_build_object('name', added.name)
    FROM removed JOIN added USING (id)
    WHERE added.name <> removed.name;
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO audit_inbox (kind, shop_id, subject, after)
    SELECT 'shop', id, id, json_build_object('name', name) FROM added;
  ELSE
    INSERT INTO audit_inbox (kind, shop_id, subject, before)
    SELECT 'shop', id, id, json_build_object('name', name) FROM removed;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- What a person did to an order is the deed of whom they said they are. Nobody has proved that, so no caller can be meant by it.
CREATE FUNCTION audit_intervention() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO audit_inbox (kind, shop_id, subject, order_id, actor, why, after)
  SELECT
    'intervention', shop_id, workflow_id, order_id, 'operator:' || actor, reason,
    json_build_object('action', action, 'step', step, 'updateId', update_id, 'at', at)
  FROM added;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER intervention_is_audited AFTER INSERT ON intervention
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION audit_intervention();
--> statement-breakpoint

CREATE FUNCTION audit_repair() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO audit_inbox (kind, shop_id, subject, order_id, why, before, after)
  SELECT 'repair', finding.shop_id, finding.id, finding.order_id, finding.kind || ': ' || finding.finding, added.before, added.after
  FROM added JOIN finding ON finding.id = added.finding_id;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER repair_is_audited AFTER INSERT ON repair
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION audit_repair();
--> statement-breakpoint

-- The triggers of rows that come, change and go: each of the three has other transition tables. All fire also where triggers are off, as they
-- are for who mends or loads rows.
DO $$
DECLARE
  audited text;
BEGIN
  FOREACH audited IN ARRAY ARRAY['wallet', 'sku', 'wallet_permission', 'api_key', 'api_key_secret', 'shop'] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION %I()',
      audited || '_is_audited_when_added', audited, 'audit_' || audited
    );
    IF audited <> 'wallet_permission' THEN
      EXECUTE format(
        'CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION %I()',
        audited || '_is_audited_when_changed', audited, 'audit_' || audited
      );
    END IF;
    EXECUTE format(
      'CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION %I()',
      audited || '_is_audited_when_removed', audited, 'audit_' || audited
    );
  END LOOP;
  FOR audited IN
    SELECT format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tgrelid::regclass, tgname) FROM pg_trigger WHERE tgname ~ '_is_audited'
  LOOP
    EXECUTE audited;
  END LOOP;
END $$;
--> statement-breakpoint

-- Records what no trigger sees.
CREATE FUNCTION record_audit(
  kind text, shop_id text, subject text, before json, after json, why text, order_id uuid DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- What triggers record is recorded by nobody else.
  IF kind NOT IN ('settings', 'personal_data', 'retention') THEN
    RAISE EXCEPTION 'changes of kind % are recorded by triggers', kind USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO audit_inbox (kind, shop_id, subject, before, after, why, order_id)
  VALUES ($1, $2, $3, $4, $5, $6, $7);
END $$;
--> statement-breakpoint

-- What changed since this process last started? Settings that are secret come redacted.
CREATE FUNCTION record_settings(process text, settings json) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  earlier json;
  changed_before json;
  changed_after json;
BEGIN
  -- The first of several processes that start at once records the change; the others wait for its row.
  INSERT INTO settings_seen (process, settings) VALUES ($1, $2) ON CONFLICT ON CONSTRAINT settings_seen_pkey DO NOTHING;
  IF FOUND THEN
    PERFORM record_audit('settings', NULL, $1, NULL, $2, NULL);
    RETURN;
  END IF;
  SELECT seen.settings INTO earlier FROM settings_seen AS seen WHERE seen.process = $1 FOR UPDATE;
  SELECT json_object_agg(name, was.value ORDER BY name), json_object_agg(name, becomes.value ORDER BY name)
  INTO changed_before, changed_after
  FROM json_each(earlier) AS was (name, value) FULL JOIN json_each($2) AS becomes (name, value) USING (name)
  WHERE was.value::jsonb IS DISTINCT FROM becomes.value::jsonb;
  IF changed_after IS NULL THEN RETURN; END IF;
  UPDATE settings_seen AS seen SET settings = $2, recorded_at = now() WHERE seen.process = $1;
  PERFORM record_audit('settings', NULL, $1, changed_before, changed_after, NULL);
END $$;
--> statement-breakpoint

-- STABLE, as convert_to is: otherwise PostgreSQL would call it instead of reading it as a part of what calls it.
CREATE FUNCTION netstring(value text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN value IS NULL THEN '-' ELSE octet_length(convert_to(value, 'UTF8')) || ':' || value || ',' END $$;
--> statement-breakpoint
-- The hash that a row must have. Lengths stand before the texts, so that no two rows read alike.
CREATE FUNCTION audit_hash(change audit) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT encode(sha256(convert_to(
    change.previous_hash
    || netstring(change.seq::text)
    || netstring(to_char(change.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    || netstring(change.transaction::text)
    || netstring(change.kind)
    || netstring(change.shop_id)
    || netstring(change.subject)
    || netstring(change.order_id::text)
    || netstring(change.command_id::text)
    || netstring(change.actor)
    || netstring(change.request_id)
    || netstring(change.why)
    || netstring(change.before::text)
    || netstring(change.after::text)
    || netstring(to_char(change.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
    'UTF8'
  )), 'hex')
$$;
--> statement-breakpoint

-- Seals the oldest rows of the inbox, about as many as asked for: numbers them, and chains each to the one before it. Returns how many, and
-- the head of the chain. Two at once take turns.
--
-- A row that commits late is sealed late: the numbers are in the order of sealing, and for rows of one thing in the order of its changes.
CREATE FUNCTION seal_audit(at_most integer) RETURNS TABLE (sealed integer, seq bigint, hash text)
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
      ) AS call ON taken.kind = 'order' AND taken.actor = 'holdfast'
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

-- Called before a month of the audit is dropped. Everything in it is sealed, as nothing else is ever in the audit. The chain's rows are by
-- number and the months by time, so around the turn of a month a row may stay between two that go: each run that goes is recorded with the
-- hash at its end, which the next row that stays must name.
CREATE FUNCTION before_drop_audit(partition regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  runs json;
BEGIN
  EXECUTE format($query$
    SELECT json_agg(json_build_object('firstSeq', first_seq, 'lastSeq', last_seq, 'lastHash', last_hash) ORDER BY first_seq)
    FROM (
      SELECT min(seq) AS first_seq, max(seq) AS last_seq, (array_agg(hash ORDER BY seq DESC))[1] AS last_hash
      FROM (SELECT seq, hash, seq - row_number() OVER (ORDER BY seq) AS run FROM %s) AS numbered
      GROUP BY run
    ) AS runs
  $query$, partition) INTO runs;
  IF runs IS NULL THEN RETURN; END IF;
  PERFORM record_audit(
    'retention', NULL, partition::text, json_build_object('runs', runs), NULL, 'what names the last hash of a run follows it'
  );
END $$;
--> statement-breakpoint

REVOKE ALL ON FUNCTION
  audit_order(), audit_wallet(), audit_sku(), audit_wallet_permission(), audit_api_key(), audit_api_key_secret(), audit_shop(),
  audit_intervention(), audit_repair(), record_audit(text, text, text, json, json, text, uuid), record_settings(text, json),
  seal_audit(integer), before_drop_audit(regclass)
  FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION record_settings(text, json), seal_audit(integer) TO holdfast_running;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION record_audit(text, text, text, json, json, text, uuid)
  TO holdfast_running, holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
GRANT SELECT ON audit, audit_inbox, audit_head, settings_seen TO holdfast_running;
--> statement-breakpoint
GRANT UPDATE (request_id) ON idempotency_key TO holdfast_running;
--> statement-breakpoint
-- A buyer reads no audit: it says what other people did.
GRANT SELECT ON audit TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON audit FOR SELECT TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON audit FOR SELECT TO holdfast_installation USING (true);--> statement-breakpoint
CREATE POLICY of_running ON audit FOR SELECT TO holdfast_running USING (true);
--> statement-breakpoint

-- The runs that seal the audit are watched like the others, and find what is wrong with it.
ALTER TABLE "run_end" DROP CONSTRAINT "run_end_run";--> statement-breakpoint
ALTER TABLE "run_end" ADD CONSTRAINT "run_end_run" CHECK ("run_end"."run" in ('reconcile', 'stats', 'monitor', 'retention', 'seal'));--> statement-breakpoint
ALTER TABLE "finding" DROP CONSTRAINT "finding_kind";--> statement-breakpoint
ALTER TABLE "finding" ADD CONSTRAINT "finding_kind" CHECK ("finding"."kind" in ('workflow_missing', 'order_missing', 'order_overdue', 'units_held_by_closed_order', 'money_held_by_closed_order', 'money_taken_without_payment', 'paid_without_money', 'stock_counter_wrong', 'wallet_counter_wrong', 'stats_wrong', 'order_inconsistent', 'order_lost', 'transfer_unbalanced', 'workflow_failed', 'look_failed', 'audit_broken'));--> statement-breakpoint
-- Whatever is recorded after this moment is in the audit: no transaction since then writes what the triggers above do not see.
UPDATE audit_head SET began_at = clock_timestamp();
