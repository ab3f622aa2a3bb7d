ALTER TABLE "stat" ALTER COLUMN "revenue" SET DATA TYPE numeric(40, 0);--> statement-breakpoint
ALTER TABLE "stat" ALTER COLUMN "refunds" SET DATA TYPE numeric(40, 0);--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_total_payable" CHECK ("orders"."total" <= 9007199254740991);--> statement-breakpoint
ALTER TABLE "sku" ADD CONSTRAINT "sku_price_payable" CHECK ("sku"."price" <= 9007199254740991);