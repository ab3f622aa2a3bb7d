-- What an order has besides its lines: adjustments of its total, and what its caller notes about it. db/schema/orders.ts says what each
-- column is. The orders that there are have none of it.
ALTER TABLE "order_line" ADD COLUMN "adjustment" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE TABLE "order_adjustment" (
	"order_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"kind" text NOT NULL,
	"label" text NOT NULL,
	"amount" bigint NOT NULL,
	"sku" text,
	CONSTRAINT "order_adjustment_pkey" PRIMARY KEY("order_id","position"),
	CONSTRAINT "order_adjustment_position" CHECK ("order_adjustment"."position" between 1 and 50),
	CONSTRAINT "order_adjustment_kind" CHECK ("order_adjustment"."kind" in ('discount', 'tax', 'shipping', 'fee')),
	CONSTRAINT "order_adjustment_label" CHECK (char_length("order_adjustment"."label") between 1 and 200 and "order_adjustment"."label" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("order_adjustment"."label", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "order_adjustment_not_zero" CHECK ("order_adjustment"."amount" <> 0),
	CONSTRAINT "order_adjustment_discount_is_less" CHECK (("order_adjustment"."kind" = 'discount') = ("order_adjustment"."amount" < 0))
);
--> statement-breakpoint
-- Is it a flat object of at most 20 texts with names? The rule of domain/order-detail.ts.
CREATE FUNCTION is_metadata(metadata jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT
    CASE jsonb_typeof(metadata)
      WHEN 'object' THEN (
        SELECT
          count(*) <= 20
          AND count(*) FILTER (
            WHERE
              jsonb_typeof(value) <> 'string'
              OR char_length(name) NOT BETWEEN 1 AND 40
              OR name ~ '[\u0001-\u001f\u007f-\u009f]'
              OR char_length(value #>> '{}') > 500
              OR value #>> '{}' ~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]'
          ) = 0
        FROM jsonb_each(metadata) AS field (name, value)
      )
      ELSE false
    END
$$;
--> statement-breakpoint
CREATE TABLE "order_detail" (
	"order_id" uuid PRIMARY KEY NOT NULL,
	"shop_id" text NOT NULL,
	"buyer_id" text NOT NULL,
	"reference" text,
	"metadata" jsonb,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "order_detail_not_empty" CHECK ("order_detail"."reference" is not null or "order_detail"."metadata" is not null),
	CONSTRAINT "order_detail_reference" CHECK (char_length("order_detail"."reference") between 1 and 200 and "order_detail"."reference" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("order_detail"."reference", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "order_detail_metadata" CHECK (is_metadata("order_detail"."metadata"))
);
--> statement-breakpoint
ALTER TABLE "order_adjustment" ADD CONSTRAINT "order_adjustment_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "order_adjustment" ADD CONSTRAINT "order_adjustment_line" FOREIGN KEY ("order_id","sku") REFERENCES "public"."order_line"("order_id","sku") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "order_detail_by_reference" ON "order_detail" USING btree ("shop_id","reference","order_id") WHERE reference is not null;--> statement-breakpoint
CREATE INDEX "order_detail_by_buyer_and_reference" ON "order_detail" USING btree ("shop_id","buyer_id","reference","order_id") WHERE reference is not null;--> statement-breakpoint

-- Both are history: written once, with the order, and never changed.
GRANT SELECT, INSERT ON order_adjustment, order_detail TO holdfast_running;--> statement-breakpoint
GRANT SELECT ON order_adjustment TO holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint
GRANT SELECT, INSERT ON order_detail TO holdfast_shop, holdfast_buyer, holdfast_installation;--> statement-breakpoint

ALTER TABLE order_adjustment ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON order_adjustment TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_parent ON order_adjustment TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = order_adjustment.order_id OFFSET 0));--> statement-breakpoint
ALTER TABLE order_detail ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON order_detail TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON order_detail TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON order_detail TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop') AND buyer_id = current_setting('holdfast.buyer'));--> statement-breakpoint
CREATE POLICY of_installation ON order_detail TO holdfast_installation USING (true);--> statement-breakpoint

-- As before, and an order whose payment at once was refused stays open under the key that placed it: a retry must not place another.
CREATE OR REPLACE FUNCTION key_needed_at(operation text, command_id uuid, response_status integer, claimed_until timestamptz)
RETURNS TABLE (needed_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT CASE
    -- Whoever has no answer yet may still come for it.
    WHEN response_status IS NULL THEN 'infinity'
    -- Payments of orders that are still open: a retry must not pay by an intent that was refused long ago.
    WHEN operation <> 'createOrder' THEN
      CASE
        WHEN command_id IN (
          SELECT order_step.command_id
          FROM orders JOIN order_step ON order_step.order_id = orders.id AND order_step.step = 'pay'
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
