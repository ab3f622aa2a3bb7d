-- An order's stage and version are those of its last event: the two cannot come apart. Foreign keys are checked when a
-- statement ends, so the one statement of a step may write both.
ALTER TABLE orders
  ADD CONSTRAINT orders_at_last_event
  FOREIGN KEY (id, version, stage) REFERENCES order_event (order_id, version, stage);
--> statement-breakpoint

-- History is only ever added to.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;
--> statement-breakpoint
CREATE TRIGGER transfer_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER entry_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER stock_movement_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_movement
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER order_event_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON order_event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER order_step_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON order_step
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint

-- The legs of a transfer are inserted by one statement and sum to zero when it ends, in each currency.
CREATE FUNCTION refuse_unbalanced_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unbalanced uuid;
BEGIN
  SELECT transfer_id INTO unbalanced
  FROM legs
  GROUP BY transfer_id, currency
  HAVING sum(amount) <> 0
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the legs of transfer % do not sum to zero', unbalanced
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER entry_legs_sum_to_zero AFTER INSERT ON entry
  REFERENCING NEW TABLE AS legs
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced_transfer();
--> statement-breakpoint

-- Reservations and holds have exactly one end: a state that is not 'held' stays, and nothing else of the row ever changes.
CREATE FUNCTION refuse_second_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a row of % that is % has ended', TG_TABLE_NAME, OLD.state
    USING ERRCODE = 'restrict_violation';
END $$;
--> statement-breakpoint
CREATE TRIGGER reservation_ends_once BEFORE UPDATE OR DELETE ON reservation
  FOR EACH ROW WHEN (OLD.state <> 'held') EXECUTE FUNCTION refuse_second_end();
--> statement-breakpoint
CREATE TRIGGER hold_ends_once BEFORE UPDATE OR DELETE ON hold
  FOR EACH ROW WHEN (OLD.state <> 'held') EXECUTE FUNCTION refuse_second_end();
