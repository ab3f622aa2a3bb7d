-- Unlogged: a crash of PostgreSQL may lose them, and they cost a flash sale no write-ahead log.
CREATE UNLOGGED TABLE "admission_pace" (
	"process" uuid PRIMARY KEY NOT NULL,
	"per_second" double precision NOT NULL,
	"seen_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "admission_ticket" (
	"key" text PRIMARY KEY NOT NULL,
	"due" timestamp (3) with time zone NOT NULL
);
