-- The role as which workers, the API and the commands of operators run. It owns nothing: it can neither alter a table nor change history.
--
-- Roles belong to the whole server. Another database may be creating it at this very moment; then this waits and finds it.
DO $$
BEGIN
  FOR attempt IN 1..20 LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_running') THEN
        CREATE ROLE holdfast_running NOLOGIN;
      END IF;
      IF NOT pg_has_role(current_user, 'holdfast_running', 'SET') THEN
        EXECUTE format('GRANT holdfast_running TO %I WITH INHERIT FALSE, SET TRUE', current_user);
      END IF;
      EXIT;
    EXCEPTION
      WHEN duplicate_object OR unique_violation OR internal_error THEN
        -- "tuple concurrently updated" is an internal error.
        IF attempt = 20 THEN RAISE; END IF;
        PERFORM pg_sleep(0.05);
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not create or take the role holdfast_running', current_user
          USING
            ERRCODE = 'insufficient_privilege',
            HINT = format(
              'As a superuser: CREATE ROLE holdfast_running NOLOGIN; GRANT holdfast_running TO %I WITH INHERIT FALSE, SET TRUE; then migrate again.',
              current_user
            );
    END;
  END LOOP;
END $$;
--> statement-breakpoint

-- On a server that was upgraded from before PostgreSQL 15 everybody may create tables and functions here.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
--> statement-breakpoint
GRANT USAGE ON SCHEMA public TO holdfast_running;
--> statement-breakpoint

-- What the statements in db/ do, and nothing else. What records history is inserted and read: an order's lines and path, money, units, and
-- what people and repairs did.
GRANT SELECT, INSERT ON transfer, entry, stock_movement, order_event, order_step, order_line, intervention, repair TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (name) ON shop TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (name, price, currency, on_hand, reserved) ON sku TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (state) ON reservation, hold TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (posted, held) ON wallet TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, DELETE ON wallet_permission TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (stage, reason, version, updated_at) ON orders TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (claimed_until, response_status, response_body), DELETE ON idempotency_key TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (due), DELETE ON admission_ticket TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (per_second, seen_at), DELETE ON admission_pace TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (points, expires_at), DELETE ON rate_limit TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (cleared_at) ON attention TO holdfast_running;
--> statement-breakpoint
-- A finding is withdrawn in the run that kept it, when another run had repaired it in between.
GRANT SELECT, INSERT, UPDATE (finding, last_seen, state, done, ended_at), DELETE ON finding TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (value, subjects, at) ON measurement TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (value, worst, subjects, closed_at) ON alert TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (delivered_at, waived_at) ON alert_notice TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (ended_at) ON run_end TO holdfast_running;
--> statement-breakpoint
GRANT
  SELECT, INSERT,
  UPDATE (placed, rejected, paid, cancelled, expired, refunded, revenue, refunds, units_sold, units_returned), DELETE
  ON stat TO holdfast_running;
--> statement-breakpoint
-- The trigger that leaves an event here runs as whoever records the event.
GRANT SELECT, INSERT, DELETE ON stat_pending TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, UPDATE (counted_until, batches, paused_until) ON stat_progress TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (revoked_at, last_used_at) ON api_key TO holdfast_running;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (expires_at) ON api_key_secret TO holdfast_running;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION wallet_covers (uuid, bigint) TO holdfast_running;
--> statement-breakpoint
-- A process that starts asks whether the database has the schema of its release.
GRANT USAGE ON SCHEMA drizzle TO holdfast_running;
--> statement-breakpoint
GRANT SELECT ON drizzle.__drizzle_migrations TO holdfast_running;
--> statement-breakpoint

-- It works for every shop and buyer.
CREATE POLICY of_running ON shop TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON sku TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON stock_movement TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON reservation TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON wallet TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON wallet_permission TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON hold TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON transfer TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON entry TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON orders TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON order_line TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON order_event TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON order_step TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON idempotency_key TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON attention TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON intervention TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON finding TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON repair TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON stat TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON api_key TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_running ON api_key_secret TO holdfast_running USING (true);
