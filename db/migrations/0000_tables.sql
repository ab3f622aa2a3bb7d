CREATE TABLE "entry" (
	"seq" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "entry_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"transfer_id" uuid NOT NULL,
	"account" text NOT NULL,
	"wallet_id" uuid,
	"amount" bigint NOT NULL,
	"currency" text NOT NULL,
	"posted_after" bigint,
	"held_after" bigint,
	CONSTRAINT "entry_account" CHECK ("entry"."account" in ('wallet', 'funding', 'sales')),
	CONSTRAINT "entry_not_zero" CHECK ("entry"."amount" <> 0),
	CONSTRAINT "entry_wallet_only_on_wallet_leg" CHECK (("entry"."account" = 'wallet') = ("entry"."wallet_id" is not null)),
	CONSTRAINT "entry_never_overdrawn" CHECK ("entry"."account" <> 'wallet' or ("entry"."posted_after" is not null and "entry"."held_after" is not null and "entry"."held_after" >= 0 and "entry"."posted_after" >= "entry"."held_after"))
);
--> statement-breakpoint
CREATE TABLE "hold" (
	"order_id" uuid PRIMARY KEY NOT NULL,
	"wallet_id" uuid NOT NULL,
	"amount" bigint NOT NULL,
	"state" text NOT NULL,
	CONSTRAINT "hold_state" CHECK ("hold"."state" in ('held', 'captured', 'voided')),
	CONSTRAINT "hold_amount_positive" CHECK ("hold"."amount" > 0)
);
--> statement-breakpoint
CREATE TABLE "idempotency_key" (
	"operation" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"command_id" uuid NOT NULL,
	"claimed_until" timestamp (3) with time zone NOT NULL,
	"response_status" integer,
	"response_body" json,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_key_pkey" PRIMARY KEY("operation","key")
);
--> statement-breakpoint
CREATE TABLE "order_event" (
	"order_id" uuid NOT NULL,
	"version" integer NOT NULL,
	"from_stage" text,
	"previous_version" integer GENERATED ALWAYS AS (nullif(version - 1, 0)) STORED,
	"stage" text NOT NULL,
	"reason" text,
	"command_id" uuid,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "order_event_pkey" PRIMARY KEY("order_id","version"),
	CONSTRAINT "order_event_chain" UNIQUE("order_id","version","stage"),
	CONSTRAINT "order_event_move" CHECK (("order_event"."from_stage" is null and "order_event"."stage" in ('awaiting_payment', 'rejected', 'cancelled')) or ("order_event"."from_stage", "order_event"."stage") in (('awaiting_payment', 'paid'), ('awaiting_payment', 'cancelled'), ('awaiting_payment', 'expired'), ('paid', 'refunded'))),
	CONSTRAINT "order_event_first_has_no_from" CHECK (("order_event"."version" = 1) = ("order_event"."from_stage" is null))
);
--> statement-breakpoint
CREATE TABLE "order_line" (
	"order_id" uuid NOT NULL,
	"sku" text NOT NULL,
	"quantity" bigint NOT NULL,
	"unit_price" bigint,
	CONSTRAINT "order_line_pkey" PRIMARY KEY("order_id","sku"),
	CONSTRAINT "order_line_quantity_positive" CHECK ("order_line"."quantity" > 0)
);
--> statement-breakpoint
CREATE TABLE "order_step" (
	"order_id" uuid NOT NULL,
	"step" text NOT NULL,
	"attempt" integer NOT NULL,
	"stage" text NOT NULL,
	"reason" text,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "order_step_pkey" PRIMARY KEY("order_id","step","attempt"),
	CONSTRAINT "order_step_step" CHECK ("order_step"."step" in ('reserve', 'abandon', 'pay', 'release', 'refund'))
);
--> statement-breakpoint
CREATE TABLE "orders" (
	"id" uuid PRIMARY KEY NOT NULL,
	"buyer_id" text NOT NULL,
	"wallet_id" uuid NOT NULL,
	"payment_mode" text NOT NULL,
	"stage" text NOT NULL,
	"reason" text,
	"currency" text,
	"total" bigint,
	"payment_deadline" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"version" integer NOT NULL,
	CONSTRAINT "orders_stage" CHECK ("orders"."stage" in ('awaiting_payment', 'paid', 'refunded', 'cancelled', 'expired', 'rejected')),
	CONSTRAINT "orders_payment_mode" CHECK ("orders"."payment_mode" in ('debit', 'hold')),
	CONSTRAINT "orders_priced_unless_never_reserved" CHECK ("orders"."stage" in ('rejected', 'cancelled') or ("orders"."total" > 0 and "orders"."currency" is not null))
);
--> statement-breakpoint
CREATE TABLE "reservation" (
	"order_id" uuid NOT NULL,
	"sku" text NOT NULL,
	"quantity" bigint NOT NULL,
	"state" text NOT NULL,
	CONSTRAINT "reservation_pkey" PRIMARY KEY("order_id","sku"),
	CONSTRAINT "reservation_state" CHECK ("reservation"."state" in ('held', 'consumed', 'released')),
	CONSTRAINT "reservation_quantity_positive" CHECK ("reservation"."quantity" > 0)
);
--> statement-breakpoint
CREATE TABLE "sku" (
	"sku" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"price" bigint NOT NULL,
	"currency" text NOT NULL,
	"on_hand" bigint NOT NULL,
	"reserved" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "sku_reserved_within_on_hand" CHECK (0 <= "sku"."reserved" and "sku"."reserved" <= "sku"."on_hand"),
	CONSTRAINT "sku_price_positive" CHECK ("sku"."price" > 0)
);
--> statement-breakpoint
CREATE TABLE "stock_movement" (
	"id" uuid PRIMARY KEY NOT NULL,
	"sku" text NOT NULL,
	"kind" text NOT NULL,
	"quantity" bigint NOT NULL,
	"order_id" uuid,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "stock_movement_kind" CHECK ("stock_movement"."kind" in ('initial', 'restock', 'adjustment', 'return')),
	CONSTRAINT "stock_movement_not_zero" CHECK ("stock_movement"."quantity" <> 0),
	CONSTRAINT "stock_movement_return_has_order" CHECK (("stock_movement"."kind" = 'return') = ("stock_movement"."order_id" is not null))
);
--> statement-breakpoint
CREATE TABLE "transfer" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"order_id" uuid,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "transfer_kind" CHECK ("transfer"."kind" in ('deposit', 'debit', 'capture', 'refund')),
	CONSTRAINT "transfer_deposit_has_no_order" CHECK (("transfer"."kind" = 'deposit') = ("transfer"."order_id" is null))
);
--> statement-breakpoint
CREATE TABLE "wallet" (
	"id" uuid PRIMARY KEY NOT NULL,
	"owner_id" text NOT NULL,
	"currency" text NOT NULL,
	"posted" bigint DEFAULT 0 NOT NULL,
	"held" bigint DEFAULT 0 NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "wallet_held_within_posted" CHECK (0 <= "wallet"."held" and "wallet"."held" <= "wallet"."posted"),
	CONSTRAINT "wallet_posted_exact_in_json" CHECK ("wallet"."posted" <= 9007199254740991)
);
--> statement-breakpoint
ALTER TABLE "entry" ADD CONSTRAINT "entry_transfer_id_transfer_id_fk" FOREIGN KEY ("transfer_id") REFERENCES "public"."transfer"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "entry" ADD CONSTRAINT "entry_wallet_id_wallet_id_fk" FOREIGN KEY ("wallet_id") REFERENCES "public"."wallet"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "hold" ADD CONSTRAINT "hold_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "hold" ADD CONSTRAINT "hold_wallet_id_wallet_id_fk" FOREIGN KEY ("wallet_id") REFERENCES "public"."wallet"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "order_event" ADD CONSTRAINT "order_event_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "order_event" ADD CONSTRAINT "order_event_follows" FOREIGN KEY ("order_id","previous_version","from_stage") REFERENCES "public"."order_event"("order_id","version","stage") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "order_step" ADD CONSTRAINT "order_step_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reservation" ADD CONSTRAINT "reservation_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reservation" ADD CONSTRAINT "reservation_sku_sku_sku_fk" FOREIGN KEY ("sku") REFERENCES "public"."sku"("sku") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stock_movement" ADD CONSTRAINT "stock_movement_sku_sku_sku_fk" FOREIGN KEY ("sku") REFERENCES "public"."sku"("sku") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stock_movement" ADD CONSTRAINT "stock_movement_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "transfer" ADD CONSTRAINT "transfer_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "entry_one_leg_per_account" ON "entry" USING btree ("transfer_id","account");--> statement-breakpoint
CREATE INDEX "entry_by_wallet" ON "entry" USING btree ("wallet_id","seq");--> statement-breakpoint
CREATE INDEX "hold_held_by_wallet" ON "hold" USING btree ("wallet_id") WHERE state = 'held';--> statement-breakpoint
CREATE INDEX "orders_by_buyer" ON "orders" USING btree ("buyer_id","id");--> statement-breakpoint
CREATE INDEX "orders_by_buyer_and_stage" ON "orders" USING btree ("buyer_id","stage","id");--> statement-breakpoint
CREATE INDEX "orders_by_stage" ON "orders" USING btree ("stage","id");--> statement-breakpoint
CREATE INDEX "orders_open_by_deadline" ON "orders" USING btree ("payment_deadline") WHERE stage = 'awaiting_payment';--> statement-breakpoint
CREATE INDEX "reservation_held_by_sku" ON "reservation" USING btree ("sku") WHERE state = 'held';--> statement-breakpoint
CREATE UNIQUE INDEX "stock_movement_one_return" ON "stock_movement" USING btree ("order_id","sku");--> statement-breakpoint
CREATE INDEX "stock_movement_by_sku" ON "stock_movement" USING btree ("sku");--> statement-breakpoint
CREATE UNIQUE INDEX "transfer_one_payment" ON "transfer" USING btree ("order_id") WHERE kind in ('debit', 'capture');--> statement-breakpoint
CREATE UNIQUE INDEX "transfer_one_refund" ON "transfer" USING btree ("order_id") WHERE kind = 'refund';