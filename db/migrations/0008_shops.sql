-- Unlogged: a crash of PostgreSQL may lose it, and it costs the calls no write-ahead log.
CREATE UNLOGGED TABLE "rate_limit" (
	"key" text PRIMARY KEY NOT NULL,
	"points" double precision NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "api_key" (
	"id" text PRIMARY KEY NOT NULL,
	"shop_id" text,
	"name" text NOT NULL,
	"roles" text NOT NULL,
	"scopes" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone,
	"is_development" boolean DEFAULT false NOT NULL,
	CONSTRAINT "api_key_id" CHECK ("api_key"."id" ~ '^[a-z2-7]{12}$'),
	CONSTRAINT "api_key_name" CHECK (char_length("api_key"."name") between 1 and 200 and "api_key"."name" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("api_key"."name", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "api_key_roles" CHECK ("api_key"."roles" ~ '^(merchant|buyer|operator|auditor|admin)( (merchant|buyer|operator|auditor|admin))*$'),
	CONSTRAINT "api_key_scopes" CHECK ("api_key"."scopes" ~ '^[a-z]+(-[a-z]+)*:(read|write)( [a-z]+(-[a-z]+)*:(read|write))*$'),
	CONSTRAINT "api_key_expires_after_creation" CHECK ("api_key"."expires_at" > "api_key"."created_at")
);
--> statement-breakpoint
CREATE TABLE "api_key_secret" (
	"hash" text PRIMARY KEY NOT NULL,
	"key_id" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	CONSTRAINT "api_key_secret_hash" CHECK ("api_key_secret"."hash" ~ '^[0-9a-f]{64}$')
);
--> statement-breakpoint
CREATE TABLE "shop" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "shop_id" CHECK ("shop"."id" ~ '^[a-z][a-z0-9-]{0,62}$'),
	CONSTRAINT "shop_name" CHECK (char_length("shop"."name") between 1 and 200 and "shop"."name" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("shop"."name", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '')
);
--> statement-breakpoint
CREATE TABLE "wallet_permission" (
	"wallet_id" uuid NOT NULL,
	"buyer_id" text NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "wallet_permission_pkey" PRIMARY KEY("wallet_id","buyer_id"),
	CONSTRAINT "wallet_permission_buyer" CHECK (char_length("wallet_permission"."buyer_id") between 1 and 128 and "wallet_permission"."buyer_id" !~ '[\u0001-\u001f\u007f-\u009f]')
);
--> statement-breakpoint
INSERT INTO shop (id, name) VALUES ('main', 'Main');
--> statement-breakpoint

-- What was recorded before there were shops is the main one's. A constant default rewrites no table.
ALTER TABLE "attention" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "intervention" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "entry" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "hold" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "orders" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "reservation" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "sku" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "stock_movement" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "transfer" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "wallet" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "stat" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint
ALTER TABLE "finding" ADD COLUMN "shop_id" text;--> statement-breakpoint
ALTER TABLE "idempotency_key" ADD COLUMN "caller" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "idempotency_key" ADD COLUMN "shop_id" text DEFAULT 'main' NOT NULL;--> statement-breakpoint

-- SKUs, orders and wallets of a shop are named together with it from here on, so every key that names one includes the shop.
ALTER TABLE "entry" DROP CONSTRAINT "entry_wallet_id_wallet_id_fk";--> statement-breakpoint
ALTER TABLE "hold" DROP CONSTRAINT "hold_order_id_orders_id_fk";--> statement-breakpoint
ALTER TABLE "hold" DROP CONSTRAINT "hold_wallet_id_wallet_id_fk";--> statement-breakpoint
ALTER TABLE "reservation" DROP CONSTRAINT "reservation_order_id_orders_id_fk";--> statement-breakpoint
ALTER TABLE "reservation" DROP CONSTRAINT "reservation_sku_sku_sku_fk";--> statement-breakpoint
ALTER TABLE "stock_movement" DROP CONSTRAINT "stock_movement_sku_sku_sku_fk";--> statement-breakpoint
ALTER TABLE "stock_movement" DROP CONSTRAINT "stock_movement_order_id_orders_id_fk";--> statement-breakpoint
ALTER TABLE "transfer" DROP CONSTRAINT "transfer_order_id_orders_id_fk";--> statement-breakpoint
ALTER TABLE "idempotency_key" DROP CONSTRAINT "idempotency_key_pkey";--> statement-breakpoint
ALTER TABLE "stat" DROP CONSTRAINT "stat_pkey";--> statement-breakpoint
ALTER TABLE "sku" DROP CONSTRAINT "sku_pkey";--> statement-breakpoint
DROP INDEX "orders_by_buyer";--> statement-breakpoint
DROP INDEX "orders_by_buyer_and_stage";--> statement-breakpoint
DROP INDEX "orders_by_stage";--> statement-breakpoint
DROP INDEX "reservation_held_by_sku";--> statement-breakpoint
DROP INDEX "reservation_consumed_by_sku";--> statement-breakpoint
DROP INDEX "stock_movement_by_sku";--> statement-breakpoint
ALTER TABLE "sku" ADD CONSTRAINT "sku_pkey" PRIMARY KEY("shop_id","sku");--> statement-breakpoint
ALTER TABLE "idempotency_key" ADD CONSTRAINT "idempotency_key_pkey" PRIMARY KEY("caller","operation","key");--> statement-breakpoint
ALTER TABLE "stat" ADD CONSTRAINT "stat_pkey" PRIMARY KEY("shop_id","sku","day","currency");--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_in_shop" UNIQUE("shop_id","id");--> statement-breakpoint
ALTER TABLE "wallet" ADD CONSTRAINT "wallet_in_shop" UNIQUE("shop_id","id");--> statement-breakpoint
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_shop_id_shop_id_fk" FOREIGN KEY ("shop_id") REFERENCES "public"."shop"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_key_secret" ADD CONSTRAINT "api_key_secret_key_id_api_key_id_fk" FOREIGN KEY ("key_id") REFERENCES "public"."api_key"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "wallet_permission" ADD CONSTRAINT "wallet_permission_wallet_id_wallet_id_fk" FOREIGN KEY ("wallet_id") REFERENCES "public"."wallet"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
-- Not validated: the keys that these replace have checked what is there.
ALTER TABLE "entry" ADD CONSTRAINT "entry_wallet" FOREIGN KEY ("shop_id","wallet_id") REFERENCES "public"."wallet"("shop_id","id") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "hold" ADD CONSTRAINT "hold_order" FOREIGN KEY ("shop_id","order_id") REFERENCES "public"."orders"("shop_id","id") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "hold" ADD CONSTRAINT "hold_wallet" FOREIGN KEY ("shop_id","wallet_id") REFERENCES "public"."wallet"("shop_id","id") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "reservation" ADD CONSTRAINT "reservation_order" FOREIGN KEY ("shop_id","order_id") REFERENCES "public"."orders"("shop_id","id") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "reservation" ADD CONSTRAINT "reservation_sku" FOREIGN KEY ("shop_id","sku") REFERENCES "public"."sku"("shop_id","sku") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "sku" ADD CONSTRAINT "sku_shop_id_shop_id_fk" FOREIGN KEY ("shop_id") REFERENCES "public"."shop"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stock_movement" ADD CONSTRAINT "stock_movement_sku" FOREIGN KEY ("shop_id","sku") REFERENCES "public"."sku"("shop_id","sku") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "stock_movement" ADD CONSTRAINT "stock_movement_order" FOREIGN KEY ("shop_id","order_id") REFERENCES "public"."orders"("shop_id","id") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "transfer" ADD CONSTRAINT "transfer_order" FOREIGN KEY ("shop_id","order_id") REFERENCES "public"."orders"("shop_id","id") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
ALTER TABLE "wallet" ADD CONSTRAINT "wallet_shop_id_shop_id_fk" FOREIGN KEY ("shop_id") REFERENCES "public"."shop"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_key_by_shop" ON "api_key" USING btree ("shop_id","id");--> statement-breakpoint
CREATE INDEX "api_key_secret_by_key" ON "api_key_secret" USING btree ("key_id");--> statement-breakpoint
CREATE INDEX "orders_open" ON "orders" USING btree ("id") WHERE stage = 'awaiting_payment';--> statement-breakpoint
CREATE INDEX "orders_by_buyer" ON "orders" USING btree ("shop_id","buyer_id","id");--> statement-breakpoint
CREATE INDEX "orders_by_buyer_and_stage" ON "orders" USING btree ("shop_id","buyer_id","stage","id");--> statement-breakpoint
CREATE INDEX "orders_by_stage" ON "orders" USING btree ("shop_id","stage","id");--> statement-breakpoint
CREATE INDEX "reservation_held_by_sku" ON "reservation" USING btree ("shop_id","sku","order_id") WHERE state = 'held';--> statement-breakpoint
CREATE INDEX "reservation_consumed_by_sku" ON "reservation" USING btree ("shop_id","sku","quantity") WHERE state = 'consumed';--> statement-breakpoint
CREATE INDEX "stock_movement_by_sku" ON "stock_movement" USING btree ("shop_id","sku");--> statement-breakpoint

UPDATE finding SET shop_id = 'main' WHERE kind <> 'look_failed';--> statement-breakpoint
UPDATE finding SET subject = 'main/' || subject
WHERE kind IN ('stock_counter_wrong', 'units_held_by_closed_order');--> statement-breakpoint
-- Figures: the day, then the shop.
UPDATE finding SET subject = left(subject, 10) || '/main' || substr(subject, 11) WHERE kind = 'stats_wrong';--> statement-breakpoint

-- From now on whoever writes a row says whose it is.
ALTER TABLE "attention" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "intervention" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "entry" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "hold" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "orders" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "reservation" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "sku" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "stock_movement" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "transfer" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "wallet" ALTER COLUMN "shop_id" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "stat" ALTER COLUMN "shop_id" DROP DEFAULT;
