-- What grows with every order is kept in partitions of a month each, so that a month that is old enough goes at once. A partition for
-- whatever no month was made for (`_default`) takes every other row: no write fails because nobody made its month.

-- Months. All of them are UTC's.
CREATE FUNCTION month_of(at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE AS $$ SELECT date_trunc('month', at AT TIME ZONE 'UTC')::date $$;
--> statement-breakpoint
-- Sorts before every UUIDv7 that is made in this month or later, as firstIdAt in db/ids.ts.
CREATE FUNCTION first_id_of_month(month date) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
  SELECT rpad(
    lpad(to_hex((extract(epoch FROM month::timestamp AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0'), 32, '0'
  )::uuid
$$;
--> statement-breakpoint
-- When a UUIDv7 was made. The month of any other UUID is far away, and its rows stay where no month is.
CREATE FUNCTION instant_of_id(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
  SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;
--> statement-breakpoint

-- The tables that are kept in months, and nothing else: the functions below work on these.
CREATE TABLE "partitioned_table" (
  "name" text PRIMARY KEY NOT NULL,
  -- The column that says the month, and how: by a UUIDv7, by the month's first day, or by an instant.
  "key_column" text NOT NULL,
  "key_kind" text NOT NULL,
  -- However a run is set or its clock is wrong: a month that ended more recently stays.
  "floor" interval NOT NULL,
  -- Whether its rows never change: then each partition refuses it, too.
  "never_changes" boolean NOT NULL,
  -- What a partition has of its own, as actions of ALTER TABLE; %1$s is the partition.
  "own_constraints" text,
  CONSTRAINT "partitioned_table_key_kind" CHECK ("partitioned_table"."key_kind" in ('id', 'month', 'instant'))
);
--> statement-breakpoint
CREATE TABLE "dropped_partition" (
  "id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  "table_name" text NOT NULL,
  "partition" text NOT NULL,
  -- Null for the one that also had all that was before.
  "from" date,
  "to" date NOT NULL,
  "rows" bigint NOT NULL,
  "dropped_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT "dropped_partition_table_name_partitioned_table_name_fk" FOREIGN KEY ("table_name") REFERENCES "partitioned_table" ("name")
);
--> statement-breakpoint
GRANT SELECT ON partitioned_table, dropped_partition TO holdfast_running;
--> statement-breakpoint

-- Where a month begins among the keys of a table, and the month of a key.
CREATE FUNCTION month_start(key_kind text, month date) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE key_kind
    WHEN 'id' THEN first_id_of_month(month)::text
    WHEN 'month' THEN to_char(month, 'YYYY-MM-DD')
    WHEN 'instant' THEN to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00'
  END
$$;
--> statement-breakpoint
CREATE FUNCTION month_of_key(key_kind text, key text) RETURNS date
LANGUAGE sql STABLE AS $$
  SELECT CASE key_kind
    WHEN 'id' THEN month_of(instant_of_id(key::uuid))
    WHEN 'month' THEN key::date
    WHEN 'instant' THEN month_of(key::timestamptz)
  END
$$;
--> statement-breakpoint

-- Which months are there? Read from the catalog, so that it cannot say anything else than PostgreSQL does.
CREATE VIEW month_partition AS
SELECT
  known.name AS table_name, part.oid::regclass AS partition, bound[1] IS NULL AS is_default,
  CASE WHEN bound[1] <> 'MINVALUE' THEN month_of_key(known.key_kind, trim(BOTH '''' FROM bound[1])) END AS "from",
  month_of_key(known.key_kind, trim(BOTH '''' FROM bound[2])) AS "to"
FROM
  partitioned_table AS known
  JOIN pg_inherits ON inhparent = to_regclass('public.' || quote_ident(known.name))
  JOIN pg_class AS part ON part.oid = inhrelid
  LEFT JOIN LATERAL regexp_match(pg_get_expr(part.relpartbound, part.oid), 'FROM \((.+)\) TO \((.+)\)') AS bound ON true;
--> statement-breakpoint
GRANT SELECT ON month_partition TO holdfast_running;
--> statement-breakpoint

-- Takes from everybody but its owner what they may do with a partition. Whatever reads or writes does it through the table, whose policies
-- hold only there.
CREATE FUNCTION keep_to_owner(partition regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  grantee text;
BEGIN
  FOR grantee IN
    SELECT DISTINCT CASE entry.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(entry.grantee)) END
    FROM
      pg_class AS class
      LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attacl IS NOT NULL
      CROSS JOIN LATERAL (
        SELECT * FROM aclexplode(class.relacl) UNION ALL SELECT * FROM aclexplode(attribute.attacl)
      ) AS entry
    WHERE class.oid = partition AND entry.grantee <> class.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %s', partition, grantee);
  END LOOP;
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', partition);
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION keep_to_owner (regclass) FROM PUBLIC;
--> statement-breakpoint

-- Makes the months of one table that are missing: from the month of `at` on, this many ahead; and those before them that rows without a
-- month need. Such rows move in the same transaction.
--
-- Writers wait while a month is attached, and only then. The locks are taken in the order in which every statement takes them (orders
-- before order_event, a table before its partitions), so that nobody waits in a circle; and none is waited for longer than 200 ms, because
-- whoever writes or reads queues behind it. A run that gets no lock tries again.
CREATE FUNCTION make_months_of(table_name text, at timestamptz, months_ahead integer)
RETURNS TABLE (made text, moved bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' SET timezone = 'UTC' AS $$
#variable_conflict use_variable
DECLARE
  known partitioned_table;
  parent regclass;
  rest regclass;
  last_month date := (month_of(at) + months_ahead * interval '1 month')::date;
  month date;
  needed date[];
  bounds text[];
  columns text;
  other regclass;
  is_needed boolean;
BEGIN
  SELECT * INTO known FROM partitioned_table WHERE name = table_name;
  IF NOT FOUND OR months_ahead NOT BETWEEN 0 AND 120 THEN
    RAISE EXCEPTION 'no months of % are made % ahead', table_name, months_ahead USING ERRCODE = 'invalid_parameter_value';
  END IF;
  parent := known.name::regclass;
  -- One at a time.
  PERFORM pg_advisory_xact_lock(hashtextextended('months of ' || known.name, 0));
  SELECT part.partition INTO STRICT rest FROM month_partition AS part WHERE part.table_name = known.name AND is_default;

  EXECUTE format(
    'SELECT array_agg(DISTINCT month_of_key(%L, %2$I::text)) FROM %3$s WHERE %2$I < %4$L',
    known.key_kind, known.key_column, rest, month_start(known.key_kind, (last_month + interval '1 month')::date)
  ) INTO needed;
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
  FROM pg_attribute WHERE attrelid = parent AND attnum > 0 AND NOT attisdropped AND attgenerated = '';

  FOR month IN
    SELECT wanted
    FROM (
      SELECT generate_series(month_of(at), last_month, interval '1 month')::date
      UNION
      SELECT unnest(needed)
    ) AS wanted (wanted)
    WHERE NOT EXISTS (
      SELECT FROM month_partition AS part
      WHERE part.table_name = known.name AND coalesce(part."from", '-infinity') <= wanted AND part."to" > wanted
    )
    ORDER BY wanted
  LOOP
    made := known.name || to_char(month, '_YYYY_MM');
    bounds := ARRAY[
      month_start(known.key_kind, month), month_start(known.key_kind, (month + interval '1 month')::date)
    ];
    EXECUTE format('CREATE TABLE %I (LIKE %s INCLUDING ALL)', made, parent);
    PERFORM keep_to_owner(made::regclass);

    -- A foreign key of the table becomes one of the partition, for which what it refers to is locked.
    FOR other IN
      SELECT DISTINCT confrelid::regclass FROM pg_constraint
      WHERE conrelid = parent AND contype = 'f' AND confrelid <> parent ORDER BY 1
    LOOP
      EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', other);
    END LOOP;
    -- Readers, too: whoever has planned before and reads afterwards would look for the moved rows where they no longer are.
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', parent);
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);

    moved := 0;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %2$I >= %3$L AND %2$I < %4$L)', rest, known.key_column, bounds[1], bounds[2])
      INTO is_needed;
    IF is_needed THEN
      -- The rows are the same before and after: nothing has to be refused, counted or checked row by row.
      EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', rest);
      PERFORM drop_own_constraints(rest);
      EXECUTE format(
        'WITH moved AS (DELETE FROM %1$s WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING %5$s) INSERT INTO %6$I (%5$s) SELECT %5$s FROM moved',
        rest, known.key_column, bounds[1], bounds[2], columns, made
      );
      GET DIAGNOSTICS moved = ROW_COUNT;
      EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', rest);
      PERFORM add_own_constraints(known, rest);
    END IF;
    PERFORM add_own_constraints(known, made::regclass);
    PERFORM refuse_changes_of(known, made::regclass);
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, made, bounds[1], bounds[2]);
    RETURN NEXT;
  END LOOP;
END $$;
--> statement-breakpoint

-- What each partition has of its own: constraints that PostgreSQL cannot hold for the whole table.
CREATE FUNCTION add_own_constraints(known partitioned_table, partition regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF known.own_constraints IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s ' || known.own_constraints, partition);
  END IF;
END $$;
--> statement-breakpoint
CREATE FUNCTION drop_own_constraints(partition regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  own name;
BEGIN
  FOR own IN
    SELECT conname FROM pg_constraint
    WHERE conrelid = partition AND contype IN ('c', 'f') AND coninhcount = 0 AND conparentid = 0
  LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', partition, own);
  END LOOP;
END $$;
--> statement-breakpoint
-- A trigger of a table does not see what somebody does to a partition by its name.
CREATE FUNCTION refuse_changes_of(known partitioned_table, partition regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF known.never_changes THEN
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
      known.name || '_never_changes', partition
    );
  END IF;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION add_own_constraints (partitioned_table, regclass), drop_own_constraints (regclass),
  refuse_changes_of (partitioned_table, regclass) FROM PUBLIC;
--> statement-breakpoint

CREATE FUNCTION make_month_partitions(at timestamptz, months_ahead integer)
RETURNS TABLE (made text, moved bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT months.made, months.moved
  FROM partitioned_table AS known CROSS JOIN LATERAL make_months_of(known.name, at, months_ahead) AS months
  WHERE to_regclass('public.' || quote_ident(known.name)) IS NOT NULL
$$;
--> statement-breakpoint

-- Drops the months of a table that ended before this time, the oldest first. Each is counted, kept in `dropped_partition` and told to the
-- audit. What has to happen to rows before they go, a function before_drop_<table>(partition) does; nobody writes to the partition from
-- then on. When it raises `object_in_use`, the month stays for now, and the row says why. Whoever reads or writes the table waits only while
-- the partition is taken off, and nobody for longer than 200 ms before that.
CREATE FUNCTION drop_month_partitions(table_name text, before timestamptz, at_most integer DEFAULT 1000)
RETURNS TABLE (dropped text, rows bigint, kept text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' SET timezone = 'UTC' AS $$
#variable_conflict use_variable
DECLARE
  known partitioned_table;
  part record;
  done integer := 0;
BEGIN
  SELECT * INTO known FROM partitioned_table WHERE name = table_name;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no months of % are dropped', table_name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('months of ' || known.name, 0));
  FOR part IN
    SELECT partition, "from", "to" FROM month_partition
    WHERE month_partition.table_name = known.name AND "to" AT TIME ZONE 'UTC' <= least(before, now() - known.floor)
    ORDER BY "to"
  LOOP
    EXIT WHEN done = at_most;
    BEGIN
      EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', part.partition);
      IF EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = 'before_drop_' || known.name) THEN
        EXECUTE format('SELECT public.%I(%L)', 'before_drop_' || known.name, part.partition::text);
      END IF;
    EXCEPTION
      -- Somebody still needs one of its rows. What this block has locked is free again: they can go on.
      WHEN object_in_use THEN
        dropped := NULL;
        rows := NULL;
        kept := format('%s stays: %s', part.partition, SQLERRM);
        RETURN NEXT;
        CONTINUE;
    END;
    dropped := part.partition::text;
    kept := NULL;
    EXECUTE format('SELECT count(*) FROM %s', part.partition) INTO rows;
    INSERT INTO dropped_partition (table_name, partition, "from", "to", rows)
    VALUES (known.name, dropped, part."from", part."to", rows);
    PERFORM record_audit(
      'retention', NULL, dropped, json_build_object('from', part."from", 'to', part."to", 'rows', rows), NULL,
      format('months of %s that ended before %s are dropped', known.name, before)
    );
    -- Several attempts, because what was done until here may have taken a minute.
    FOR attempt IN 1..10 LOOP
      BEGIN
        EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', known.name);
        EXIT;
      EXCEPTION
        WHEN lock_not_available THEN
          IF attempt = 10 THEN RAISE; END IF;
          PERFORM pg_sleep(0.5);
      END;
    END LOOP;
    EXECUTE format('DROP TABLE %s', part.partition);
    done := done + 1;
    RETURN NEXT;
  END LOOP;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION make_months_of (text, timestamptz, integer), make_month_partitions (timestamptz, integer),
  drop_month_partitions (text, timestamptz, integer) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION make_months_of (text, timestamptz, integer), make_month_partitions (timestamptz, integer),
  drop_month_partitions (text, timestamptz, integer) TO holdfast_running;
--> statement-breakpoint

-- An order's stage and version are those of its last event, as before. No foreign key can say so any more: it would refuse to let a month of
-- events go. What changes neither stage nor version is not checked, as a foreign key would not.
ALTER TABLE orders DROP CONSTRAINT orders_at_last_event;
--> statement-breakpoint
CREATE FUNCTION refuse_order_without_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  wrong record;
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT id, version, stage INTO wrong FROM changed
    WHERE NOT EXISTS (
      SELECT FROM order_event
      WHERE order_event.order_id = changed.id AND order_event.version = changed.version AND order_event.stage = changed.stage
    )
    LIMIT 1;
  ELSE
    SELECT id, version, stage INTO wrong
    FROM (SELECT id, version, stage FROM changed EXCEPT SELECT id, version, stage FROM was) AS moved
    WHERE NOT EXISTS (
      SELECT FROM order_event
      WHERE order_event.order_id = moved.id AND order_event.version = moved.version AND order_event.stage = moved.stage
    )
    LIMIT 1;
  END IF;
  IF FOUND THEN
    RAISE EXCEPTION 'insert or update on table "orders" violates foreign key constraint "orders_at_last_event"'
      USING
        ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'orders', CONSTRAINT = 'orders_at_last_event',
        DETAIL = format('Order %s has no event %s with stage %s.', wrong.id, wrong.version, wrong.stage);
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION refuse_order_without_event () FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER orders_placed_at_last_event AFTER INSERT ON orders
  REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_order_without_event();
--> statement-breakpoint
CREATE TRIGGER orders_moved_at_last_event AFTER UPDATE ON orders
  REFERENCING OLD TABLE AS was NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_order_without_event();
--> statement-breakpoint

-- Makes a table one of months. What it has becomes the first partition as it is: nothing is copied. Its rows of later months, if there are
-- any, move to the default partition.
CREATE FUNCTION pg_temp.keep_in_months(kept text, key_column text, key_kind text, floor interval, never_changes boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  next_month date := (month_of(now()) + interval '1 month')::date;
  first text := kept || to_char(next_month, '"_before_"YYYY_MM');
  bound text := month_start(key_kind, next_month);
  known partitioned_table;
  again text[];
  own text;
  columns text;
  item record;
BEGIN
  -- All of this is read before the rename, after which PostgreSQL would say another name.
  SELECT array_agg(statement ORDER BY rank, name) INTO again
  FROM (
    SELECT 1 AS rank, conname AS name, format('ALTER TABLE %I ADD CONSTRAINT %I %s', kept, conname, pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE conrelid = kept::regclass AND (contype IN ('p', 'u') OR contype = 'f' AND confrelid <> conrelid)
    UNION ALL
    SELECT 2, indexrelid::regclass::name, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = kept::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    UNION ALL
    SELECT 3, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = kept::regclass AND NOT tgisinternal
    UNION ALL
    SELECT 4, tgname, format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', kept, tgname)
    FROM pg_trigger WHERE tgrelid = kept::regclass AND tgenabled = 'A'
    UNION ALL
    SELECT 5, policyname, format(
      'CREATE POLICY %I ON %I AS %s FOR %s TO %s%s%s', policyname, kept, permissive, cmd, array_to_string(roles, ', '),
      ' USING (' || qual || ')', ' WITH CHECK (' || with_check || ')'
    )
    FROM pg_policies WHERE schemaname = 'public' AND tablename = kept
    UNION ALL
    SELECT 6, kept, format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', kept)
    FROM pg_class WHERE oid = kept::regclass AND relrowsecurity
    UNION ALL
    SELECT 7, kept, format(
      'GRANT %s%s ON %I TO %s', privilege_type, ' (' || quote_ident(of_column) || ')', kept,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    )
    FROM (
      SELECT NULL AS of_column, entry.* FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) AS entry
      WHERE oid = kept::regclass AND entry.grantee <> relowner
      UNION ALL
      SELECT attname, entry.* FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) AS entry WHERE attrelid = kept::regclass
    ) AS granted
  ) AS statements (rank, name, statement);
  -- A foreign key to the table itself would have to be one to all of its months. And a check that was never proved for old rows cannot be
  -- the whole table's.
  SELECT string_agg(
    format(
      'ADD CONSTRAINT %I %s', conname,
      replace(
        replace(replace(pg_get_constraintdef(oid), '%', '%%'), ' NOT VALID', ''), format('REFERENCES %I(', kept), 'REFERENCES %1$s('
      )
    ), ', ' ORDER BY conname
  ) INTO own
  FROM pg_constraint
  WHERE conrelid = kept::regclass AND (contype = 'f' AND confrelid = conrelid OR contype = 'c' AND NOT convalidated);
  INSERT INTO partitioned_table VALUES (kept, key_column, key_kind, floor, never_changes, own) RETURNING * INTO known;

  FOR item IN SELECT indexrelid::regclass AS index FROM pg_index WHERE indrelid = kept::regclass LOOP
    EXECUTE format('ALTER INDEX %s RENAME TO %I', item.index, replace(item.index::text, kept, first));
  END LOOP;
  FOR item IN SELECT tgname FROM pg_trigger WHERE tgrelid = kept::regclass AND NOT tgisinternal LOOP
    EXECUTE format('DROP TRIGGER %I ON %I', item.tgname, kept);
  END LOOP;
  FOR item IN SELECT policyname FROM pg_policies WHERE schemaname = 'public' AND tablename = kept LOOP
    EXECUTE format('DROP POLICY %I ON %I', item.policyname, kept);
  END LOOP;
  EXECUTE format('ALTER TABLE %I RENAME TO %I', kept, first);
  PERFORM keep_to_owner(first::regclass);
  PERFORM refuse_changes_of(known, first::regclass);

  EXECUTE format(
    'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE) PARTITION BY RANGE (%I)',
    kept, first, key_column
  );
  FOR item IN SELECT conname FROM pg_constraint WHERE conrelid = first::regclass AND contype = 'c' AND NOT convalidated LOOP
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', kept, item.conname);
  END LOOP;
  FOR item IN SELECT unnest(again) AS statement LOOP
    EXECUTE item.statement;
  END LOOP;
  EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', kept || '_default', kept);
  PERFORM keep_to_owner((kept || '_default')::regclass);
  PERFORM add_own_constraints(known, (kept || '_default')::regclass);
  PERFORM refuse_changes_of(known, (kept || '_default')::regclass);

  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
  FROM pg_attribute WHERE attrelid = first::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
  EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', first);
  EXECUTE format(
    'WITH later AS (DELETE FROM %1$I WHERE %2$I >= %3$L RETURNING %4$s) INSERT INTO %5$I (%4$s) SELECT %4$s FROM later',
    first, key_column, bound, columns, kept || '_default'
  );
  EXECUTE format('ALTER TABLE %I ENABLE TRIGGER USER', first);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', kept, first, bound);
END $$;
--> statement-breakpoint

SELECT pg_temp.keep_in_months('order_event', 'order_id', 'id', '90 days', true);
--> statement-breakpoint
-- The month in which a key was first used; for those of before, all of which are in one partition, the month of this migration.
DO $$
BEGIN
  EXECUTE format('ALTER TABLE idempotency_key ADD COLUMN month date NOT NULL DEFAULT %L', month_of(now()));
END $$;
--> statement-breakpoint
ALTER TABLE "idempotency_key" ALTER COLUMN "month" SET DEFAULT month_of(now());
--> statement-breakpoint
ALTER TABLE "idempotency_key" DROP CONSTRAINT "idempotency_key_pkey";
--> statement-breakpoint
ALTER TABLE "idempotency_key" ADD CONSTRAINT "idempotency_key_pkey" PRIMARY KEY("caller","operation","key","month");
--> statement-breakpoint
SELECT pg_temp.keep_in_months('idempotency_key', 'month', 'month', '1 day', false);
--> statement-breakpoint
SELECT pg_temp.keep_in_months('measurement', 'minute', 'instant', '7 days', false);
--> statement-breakpoint
DROP FUNCTION pg_temp.keep_in_months (text, text, text, interval, boolean);
--> statement-breakpoint
SELECT make_month_partitions(now(), 3);
--> statement-breakpoint

-- The row under which a call is kept, in whichever month: no constraint reaches over two of them. Whoever asks for the same key at the same
-- time waits until this transaction ends, and then sees its row. A row from before 0.6 has no caller.
CREATE FUNCTION kept_key(caller text, shop text, operation text, key text) RETURNS SETOF idempotency_key
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws(E'\n', $1, $3, $4), 0));
  RETURN QUERY
    SELECT * FROM idempotency_key AS kept
    WHERE
      kept.operation = $3 AND kept.key = $4
      AND (kept.caller = $1 OR kept.caller = '' AND kept.shop_id = $2)
    ORDER BY kept.caller
    LIMIT 1;
END $$;
--> statement-breakpoint

-- The last time at which somebody needed a key, from which its retention counts; infinity while somebody still does. It reads as a part of
-- the query that calls it.
CREATE FUNCTION key_needed_at(operation text, command_id uuid, response_status integer, claimed_until timestamptz)
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
    -- An order that was given to its caller and is missing must go on being found: its key is the proof.
    WHEN response_status = 201 THEN
      coalesce(
        (
          SELECT CASE orders.stage WHEN 'awaiting_payment' THEN 'infinity' ELSE greatest(orders.updated_at, claimed_until) END
          FROM orders WHERE orders.id = command_id
        ),
        'infinity'
      )
    ELSE claimed_until
  END
$$;
--> statement-breakpoint
-- Carries the keys that somebody needed after their month to the next one.
CREATE FUNCTION before_drop_idempotency_key(partition regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  next_month date := (SELECT "to" FROM month_partition WHERE month_partition.partition = $1);
  columns text := (
    SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
    WHERE attrelid = 'idempotency_key'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'month'
  );
BEGIN
  EXECUTE format(
    'INSERT INTO idempotency_key (%1$s, month)
     SELECT %1$s, $1
     FROM %2$s AS kept
       CROSS JOIN LATERAL key_needed_at(kept.operation, kept.command_id, kept.response_status, kept.claimed_until)
     WHERE needed_at >= $1::timestamp AT TIME ZONE ''UTC''
     ON CONFLICT DO NOTHING',
    columns, partition
  ) USING next_month;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION kept_key (text, text, text, text), key_needed_at (text, uuid, integer, timestamptz),
  before_drop_idempotency_key (regclass) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION kept_key (text, text, text, text), key_needed_at (text, uuid, integer, timestamptz) TO holdfast_running;
