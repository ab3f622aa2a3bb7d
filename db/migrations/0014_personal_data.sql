-- The personal fields of orders, encrypted with a key of their buyer: db/schema/personal-data.ts says what each column is.
CREATE TABLE "buyer_key" (
	"shop_id" text NOT NULL,
	"buyer_id" text NOT NULL,
	"id" uuid NOT NULL,
	"wrapped" "bytea" NOT NULL,
	"wrapping_key" text NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "buyer_key_pkey" PRIMARY KEY("shop_id","buyer_id"),
	CONSTRAINT "buyer_key_of_buyer" UNIQUE("shop_id","buyer_id","id"),
	CONSTRAINT "buyer_key_buyer" CHECK (char_length("buyer_key"."buyer_id") between 1 and 128 and "buyer_key"."buyer_id" !~ '[\u0001-\u001f\u007f-\u009f]'),
	CONSTRAINT "buyer_key_wrapped" CHECK (octet_length("buyer_key"."wrapped") between 60 and 60),
	CONSTRAINT "buyer_key_wrapping_key" CHECK ("buyer_key"."wrapping_key" ~ '^[A-Za-z0-9._-]{1,40}$')
);
--> statement-breakpoint
CREATE TABLE "personal_data" (
	"order_id" uuid PRIMARY KEY NOT NULL,
	"shop_id" text NOT NULL,
	"buyer_id" text NOT NULL,
	"buyer_key_id" uuid NOT NULL,
	"contact" "bytea",
	"delivery_note" "bytea",
	"email_index" "bytea",
	"index_key" text,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "personal_data_not_empty" CHECK ("personal_data"."contact" is not null or "personal_data"."delivery_note" is not null),
	CONSTRAINT "personal_data_contact" CHECK (octet_length("personal_data"."contact") between 29 and 2077),
	CONSTRAINT "personal_data_delivery_note" CHECK (octet_length("personal_data"."delivery_note") between 29 and 2028),
	CONSTRAINT "personal_data_email_index" CHECK (octet_length("personal_data"."email_index") between 32 and 32),
	CONSTRAINT "personal_data_index_key" CHECK ("personal_data"."index_key" ~ '^[A-Za-z0-9._-]{1,40}$'),
	CONSTRAINT "personal_data_indexed" CHECK (("personal_data"."email_index" is null) = ("personal_data"."index_key" is null))
);
--> statement-breakpoint
ALTER TABLE "personal_data" ADD CONSTRAINT "personal_data_buyer_key" FOREIGN KEY ("shop_id","buyer_id","buyer_key_id") REFERENCES "public"."buyer_key"("shop_id","buyer_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "personal_data_by_email" ON "personal_data" USING btree ("shop_id","email_index","order_id") WHERE email_index is not null;--> statement-breakpoint
CREATE INDEX "personal_data_by_buyer" ON "personal_data" USING btree ("shop_id","buyer_id","buyer_key_id");--> statement-breakpoint

-- Only a rotation changes a row: what encrypts a buyer's key, and by what an address is found.
GRANT SELECT, INSERT, DELETE, UPDATE (wrapped, wrapping_key) ON buyer_key TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, DELETE, UPDATE (email_index, index_key) ON personal_data TO holdfast_running;--> statement-breakpoint
GRANT SELECT, INSERT, DELETE ON buyer_key, personal_data TO holdfast_shop, holdfast_installation;--> statement-breakpoint
-- A shop may have to keep what a buyer would like to erase.
GRANT SELECT, INSERT ON buyer_key, personal_data TO holdfast_buyer;--> statement-breakpoint

ALTER TABLE buyer_key ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON buyer_key TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON buyer_key TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON buyer_key TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop') AND buyer_id = current_setting('holdfast.buyer'));--> statement-breakpoint
CREATE POLICY of_installation ON buyer_key TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE personal_data ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON personal_data TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_shop ON personal_data TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON personal_data TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop') AND buyer_id = current_setting('holdfast.buyer'));--> statement-breakpoint
CREATE POLICY of_installation ON personal_data TO holdfast_installation USING (true);
