ALTER TABLE "intervention" DROP CONSTRAINT "intervention_action";--> statement-breakpoint
ALTER TABLE "intervention" ADD CONSTRAINT "intervention_action" CHECK ("intervention"."action" in ('retry_now', 'skip_step', 'give_up', 'resolve_payment', 'extend_deadline'));--> statement-breakpoint
ALTER TABLE "order_step" DROP CONSTRAINT "order_step_command";--> statement-breakpoint
-- The table is not read for this: what the rule before let in, this one does, too.
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_command" CHECK (case when "order_step"."step" in ('pay', 'openPayment') then "order_step"."command_id" <> '00000000-0000-0000-0000-000000000000' when "order_step"."step" in ('refund', 'extendDeadline') then true else "order_step"."command_id" = '00000000-0000-0000-0000-000000000000' end) NOT VALID;
--> statement-breakpoint

-- An intervention that came by HTTP has its command's id as its update's, by which the caller is found when the row is sealed. Otherwise it
-- is the deed of whom its author says they are; nobody has proved that, so no caller can be meant by it.
CREATE OR REPLACE FUNCTION audit_intervention() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO audit_inbox (kind, shop_id, subject, order_id, command_id, actor, why, after)
  SELECT
    'intervention', shop_id, workflow_id, order_id,
    CASE WHEN update_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN update_id::uuid END,
    'operator:' || actor, reason,
    json_build_object('action', action, 'step', step, 'updateId', update_id, 'person', actor, 'at', at)
  FROM added;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- As before, and it finds the caller of an intervention, and whose deed a deadline is that was put off.
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
        coalesce(call.caller, person.caller, 'operator:' || person.actor, taken.actor) AS by_whom,
        coalesce(taken.request_id, call.request_id, person.request_id) AS by_request
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
        WHERE
          operation <> 'createOrder' AND command_id = taken.command_id
          -- A person may give an update any id, another caller's command as well.
          AND (taken.kind <> 'intervention' OR operation IN ('intervene', 'resolvePayment'))
        LIMIT 1
      ) AS call ON (taken.kind IN ('order', 'payment') AND taken.actor = 'holdfast') OR taken.kind = 'intervention'
      LEFT JOIN LATERAL (
        -- An order that a person gave up, or whose deadline they put off. That person's note is recorded apart from the order's stage, but
        -- before or soon after it.
        SELECT intervention.actor, given.caller, given.request_id
        FROM intervention
        LEFT JOIN LATERAL (
          SELECT nullif(caller, '') AS caller, request_id FROM idempotency_key
          WHERE operation <> 'createOrder' AND operation IN ('intervene', 'resolvePayment') AND command_id = update_id::uuid
          LIMIT 1
        ) AS given ON update_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        WHERE order_id = taken.order_id AND action IN ('give_up', 'extend_deadline') AND reason = taken.why
        ORDER BY at DESC
        LIMIT 1
      ) AS person ON taken.kind = 'order' AND taken.actor = 'holdfast' AND call.caller IS NULL
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
