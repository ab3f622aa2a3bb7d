-- Orders are refunded in part, and several times: what was given back is counted on the order and its lines, on rows that a refund locks.
-- db/schema/refunds.ts and db/schema/orders.ts say what each column is.
ALTER TABLE "orders" ADD COLUMN "refunded" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "order_line" ADD COLUMN "refunded" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "order_line" ADD COLUMN "refunded_amount" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "transfer" ADD COLUMN "command_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL;--> statement-breakpoint
ALTER TABLE "stock_movement" ADD COLUMN "command_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL;--> statement-breakpoint
CREATE TABLE "refund" (
	"order_id" uuid NOT NULL,
	"command_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"version" integer NOT NULL,
	"shop_id" text NOT NULL,
	"amount" bigint NOT NULL,
	"currency" text NOT NULL,
	"reason" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"transfer_id" uuid,
	CONSTRAINT "refund_pkey" PRIMARY KEY("order_id","command_id"),
	CONSTRAINT "refund_by_version" UNIQUE("order_id","version"),
	CONSTRAINT "refund_follows_payment" CHECK ("refund"."version" > 2),
	CONSTRAINT "refund_moves_money" CHECK ("refund"."amount" >= 0 and ("refund"."amount" = 0) = ("refund"."transfer_id" is null))
);
--> statement-breakpoint
CREATE TABLE "refund_line" (
	"order_id" uuid NOT NULL,
	"command_id" uuid NOT NULL,
	"sku" text NOT NULL,
	"quantity" bigint NOT NULL,
	"amount" bigint NOT NULL,
	"restocked" boolean NOT NULL,
	CONSTRAINT "refund_line_pkey" PRIMARY KEY("order_id","command_id","sku"),
	CONSTRAINT "refund_line_quantity_positive" CHECK ("refund_line"."quantity" > 0),
	CONSTRAINT "refund_line_amount" CHECK ("refund_line"."amount" >= 0)
);
--> statement-breakpoint

-- Orders that were refunded by an earlier release: all of it at once. What the ledger, the stock and the events say of it stays as it is.
-- Their command is known as long as their events are kept.
INSERT INTO refund (order_id, command_id, version, shop_id, amount, currency, reason, at, transfer_id)
SELECT
  orders.id, coalesce(order_event.command_id, '00000000-0000-0000-0000-000000000000'), orders.version, orders.shop_id,
  entry.amount, entry.currency, coalesce(orders.reason, 'unknown'), orders.updated_at, transfer.id
FROM orders
JOIN transfer ON transfer.order_id = orders.id AND transfer.kind = 'refund'
JOIN entry ON entry.transfer_id = transfer.id AND entry.account = 'wallet'
LEFT JOIN order_event ON order_event.order_id = orders.id AND order_event.version = orders.version
WHERE orders.stage = 'refunded';
--> statement-breakpoint
INSERT INTO refund_line (order_id, command_id, sku, quantity, amount, restocked)
SELECT
  refund.order_id, refund.command_id, order_line.sku, order_line.quantity,
  order_line.quantity * order_line.unit_price + order_line.adjustment,
  EXISTS (
    SELECT FROM stock_movement WHERE stock_movement.order_id = order_line.order_id AND stock_movement.sku = order_line.sku
  )
FROM refund JOIN order_line ON order_line.order_id = refund.order_id;
--> statement-breakpoint
-- An update asks every CHECK of a row, also those that rows from before the CHECK were never asked: these step aside.
DO $$
DECLARE
  unproved record;
  again text[] := '{}';
  statement text;
BEGIN
  FOR unproved IN
    SELECT conrelid::regclass AS name, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid IN ('orders'::regclass, 'order_line'::regclass) AND contype = 'c' AND NOT convalidated
    ORDER BY 1, 2
  LOOP
    again := again || format('ALTER TABLE %s ADD CONSTRAINT %I %s', unproved.name, unproved.conname, unproved.definition);
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', unproved.name, unproved.conname);
  END LOOP;
  UPDATE orders SET refunded = total WHERE stage = 'refunded';
  UPDATE order_line SET refunded = refund_line.quantity, refunded_amount = refund_line.amount
  FROM refund_line
  WHERE refund_line.order_id = order_line.order_id AND refund_line.sku = order_line.sku;
  FOREACH statement IN ARRAY again LOOP
    EXECUTE statement;
  END LOOP;
END $$;
--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_refunded_at_most_total" CHECK ("orders"."refunded" = 0 or ("orders"."stage" in ('paid', 'refunded') and 0 < "orders"."refunded" and "orders"."refunded" <= "orders"."total"));--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_refunded_in_full" CHECK (("orders"."stage" = 'refunded') = ("orders"."refunded" = "orders"."total"));--> statement-breakpoint
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_refunded_at_most_quantity" CHECK (0 <= "order_line"."refunded" and "order_line"."refunded" <= "order_line"."quantity");--> statement-breakpoint
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_refunded_share" CHECK ("order_line"."refunded_amount" = div(("order_line"."quantity"::numeric * "order_line"."unit_price" + "order_line"."adjustment") * "order_line"."refunded", "order_line"."quantity"));--> statement-breakpoint
-- Not validated, as others are: a reason from before 0.4 may be any.
ALTER TABLE "refund" ADD CONSTRAINT "refund_reason" CHECK (char_length("refund"."reason") between 1 and 500 and "refund"."reason" !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]' and btrim("refund"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '') NOT VALID;--> statement-breakpoint
ALTER TABLE "refund" ADD CONSTRAINT "refund_transfer_id_transfer_id_fk" FOREIGN KEY ("transfer_id") REFERENCES "public"."transfer"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refund" ADD CONSTRAINT "refund_order" FOREIGN KEY ("shop_id","order_id") REFERENCES "public"."orders"("shop_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refund_line" ADD CONSTRAINT "refund_line_refund" FOREIGN KEY ("order_id","command_id") REFERENCES "public"."refund"("order_id","command_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refund_line" ADD CONSTRAINT "refund_line_line" FOREIGN KEY ("order_id","sku") REFERENCES "public"."order_line"("order_id","sku") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE TRIGGER refund_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON refund
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refund_line_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON refund_line
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint

-- One refund for each command, instead of one for each order. The nil UUID stands for every refund there was, one of an order.
DROP INDEX "transfer_one_refund";--> statement-breakpoint
CREATE UNIQUE INDEX "transfer_one_refund_of_command" ON "transfer" USING btree ("order_id","command_id") WHERE kind = 'refund';--> statement-breakpoint
DROP INDEX "stock_movement_one_return";--> statement-breakpoint
CREATE UNIQUE INDEX "stock_movement_one_return_of_command" ON "stock_movement" USING btree ("order_id","sku","command_id");--> statement-breakpoint
-- Not validated: what the rule before it let in, this one does, too.
ALTER TABLE "order_step" DROP CONSTRAINT "order_step_payment_has_command";--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_command" CHECK (case "order_step"."step" when 'pay' then "order_step"."command_id" <> '00000000-0000-0000-0000-000000000000' when 'refund' then true else "order_step"."command_id" = '00000000-0000-0000-0000-000000000000' end) NOT VALID;--> statement-breakpoint
-- A refund in part is a move from paid to paid.
ALTER TABLE "order_event" DROP CONSTRAINT "order_event_move";--> statement-breakpoint
ALTER TABLE "order_event" ADD CONSTRAINT "order_event_move" CHECK (("from_stage" is null and "stage" in ('awaiting_payment', 'rejected', 'cancelled')) or ("from_stage", "stage") in (('awaiting_payment', 'paid'), ('awaiting_payment', 'cancelled'), ('awaiting_payment', 'expired'), ('paid', 'paid'), ('paid', 'refunded')));--> statement-breakpoint

GRANT UPDATE (refunded) ON orders TO holdfast_running;--> statement-breakpoint
-- Of a line, what was ordered stays as it was recorded.
GRANT UPDATE (refunded, refunded_amount) ON order_line TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT ON refund, refund_line TO holdfast_running;--> statement-breakpoint
GRANT SELECT ON refund, refund_line TO holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint
ALTER TABLE refund ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON refund TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON refund TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON refund FOR SELECT TO holdfast_buyer USING (EXISTS (SELECT FROM orders WHERE orders.id = refund.order_id OFFSET 0));--> statement-breakpoint
CREATE POLICY of_installation ON refund TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE refund_line ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON refund_line TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_parent ON refund_line TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = refund_line.order_id OFFSET 0));--> statement-breakpoint

-- What a refund gave back, as the audit has it.
CREATE FUNCTION refund_as_json(of_order uuid, of_version integer) RETURNS json
LANGUAGE sql STABLE AS $$
  SELECT json_build_object(
    'amount', refund.amount,
    'currency', refund.currency,
    'lines', (
      SELECT coalesce(
        json_agg(json_build_object('sku', sku, 'quantity', quantity, 'amount', line.amount, 'restocked', restocked) ORDER BY sku), '[]'
      )
      FROM refund_line AS line
      WHERE line.order_id = refund.order_id AND line.command_id = refund.command_id
    )
  )
  FROM refund
  WHERE refund.order_id = of_order AND refund.version = of_version
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION refund_as_json (uuid, integer) FROM PUBLIC;
--> statement-breakpoint
-- As before, and with what a refund gave back.
CREATE OR REPLACE FUNCTION audit_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO audit_inbox (kind, subject, order_id, command_id, why, before, after)
  SELECT
    'order', order_id, order_id,
    -- An order's own id is the id of the command that placed it.
    coalesce(command_id, CASE WHEN version = 1 THEN order_id END),
    reason,
    CASE WHEN version > 1 THEN json_build_object('stage', from_stage, 'version', previous_version) END,
    CASE from_stage
      WHEN 'paid' THEN json_build_object('stage', stage, 'version', version, 'refund', refund_as_json(order_id, version))
      ELSE json_build_object('stage', stage, 'version', version)
    END
  FROM added;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- What one event adds to the figures, as 0015 has it, with refunds in part: the event of one is of the stage paid. For the whole shop money is
-- the ledger's; for a SKU it is what its units cost, whatever was given back of an amount. An order counts as refunded once all was given back.
CREATE OR REPLACE FUNCTION event_figures(event_order uuid, event_version integer, event_stage text, event_at timestamptz)
RETURNS TABLE (
  shop_id text,
  sku text,
  -- In UTC.
  day date,
  currency text,
  placed integer,
  rejected integer,
  paid integer,
  cancelled integer,
  expired integer,
  refunded integer,
  revenue numeric,
  refunds numeric,
  units_sold numeric,
  units_returned numeric
)
LANGUAGE sql STABLE AS $$
  SELECT
    ordered.shop_id, part.sku, (event_at AT TIME ZONE 'UTC')::date, coalesce(ordered.currency, ''),
    (event_version = 1)::integer, (event_stage = 'rejected')::integer, ordered.is_payment::integer,
    (event_stage = 'cancelled')::integer, (event_stage = 'expired')::integer, (event_stage = 'refunded')::integer,
    part.revenue, part.refunds, part.sold, part.returned
  -- Limits and offsets change nothing, but make every part an index look-up, whatever the planner expects of a day or a batch.
  FROM (
    SELECT
      orders.shop_id, orders.currency, made.command_id, made.transfer_id, event_stage = 'paid' AND made.command_id IS NULL AS is_payment
    FROM orders
    LEFT JOIN LATERAL (
      SELECT refund.command_id, refund.transfer_id
      FROM refund
      WHERE event_stage IN ('paid', 'refunded') AND refund.order_id = event_order AND refund.version = event_version
      LIMIT 1
    ) AS made ON true
    WHERE orders.id = event_order
    LIMIT 1
  ) AS ordered
  CROSS JOIN LATERAL (
    SELECT
      '' AS sku,
      coalesce(
        CASE WHEN ordered.is_payment THEN (
          SELECT amount
          FROM transfer JOIN entry ON transfer_id = transfer.id AND account = 'sales'
          WHERE order_id = event_order AND kind IN ('debit', 'capture')
          LIMIT 1
        ) END,
        0
      )::numeric AS revenue,
      coalesce(
        CASE WHEN ordered.transfer_id IS NOT NULL THEN (
          SELECT -amount FROM entry WHERE entry.transfer_id = ordered.transfer_id AND account = 'sales' LIMIT 1
        ) END,
        0
      )::numeric AS refunds,
      coalesce(
        CASE WHEN ordered.is_payment THEN (SELECT sum(quantity) FROM order_line WHERE order_id = event_order) END, 0
      ) AS sold,
      coalesce(
        CASE WHEN ordered.command_id IS NOT NULL THEN (
          SELECT sum(quantity) FROM refund_line
          WHERE order_id = event_order AND refund_line.command_id = ordered.command_id AND restocked
        ) END,
        0
      ) AS returned
    UNION ALL
    SELECT
      line.sku,
      CASE WHEN ordered.is_payment THEN line.price ELSE 0 END,
      coalesce(line.refunded_amount, 0),
      CASE WHEN ordered.is_payment THEN line.quantity ELSE 0 END,
      coalesce(CASE WHEN line.restocked THEN line.refunded END, 0)
    FROM (
      -- Numeric: the total of a rejected order may be more than int8 holds.
      SELECT
        order_line.sku, order_line.quantity, coalesce(order_line.quantity::numeric * unit_price + adjustment, 0) AS price,
        given_back.quantity AS refunded, given_back.amount AS refunded_amount, given_back.restocked
      FROM order_line
      LEFT JOIN LATERAL (
        SELECT refund_line.quantity, refund_line.amount, refund_line.restocked
        FROM refund_line
        WHERE
          refund_line.order_id = event_order AND refund_line.command_id = ordered.command_id AND refund_line.sku = order_line.sku
        LIMIT 1
      ) AS given_back ON ordered.command_id IS NOT NULL
      WHERE order_line.order_id = event_order
      OFFSET 0
    ) AS line
  ) AS part
$$;
