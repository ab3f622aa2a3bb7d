-- Unlogged: a crash of PostgreSQL may lose it, and it costs a flash sale no write-ahead log.
CREATE UNLOGGED TABLE "admission_ticket" (
	"key" text PRIMARY KEY NOT NULL,
	"due" timestamp (3) with time zone NOT NULL
);
