-- What a caller can reach is decided here and not in the queries, so that a query without a condition returns nothing that is not the
-- caller's. A query of a caller runs as one of three roles (see db/reach.ts), and each role has policies of its own: with one role for
-- all, every condition would be "this shop or any", which no index answers.
--
-- Roles belong to the whole server. Another database may be creating them at this very moment; then this waits and finds them.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['holdfast_shop', 'holdfast_buyer', 'holdfast_installation'] LOOP
    FOR attempt IN 1..20 LOOP
      BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
          EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        -- To become the role, and not to have its rights before that.
        IF NOT pg_has_role(current_user, name, 'SET') THEN
          EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', name, current_user);
        END IF;
        EXIT;
      EXCEPTION
        WHEN duplicate_object OR unique_violation OR internal_error THEN
          -- "tuple concurrently updated" is an internal error.
          IF attempt = 20 THEN RAISE; END IF;
          PERFORM pg_sleep(0.05);
        WHEN insufficient_privilege THEN
          RAISE EXCEPTION '% may not create or take the role %', current_user, name
            USING
              ERRCODE = 'insufficient_privilege',
              HINT = format(
                'As a superuser: CREATE ROLE %I NOLOGIN; GRANT %I TO %I WITH INHERIT FALSE, SET TRUE; then migrate again.',
                name, name, current_user
              );
      END;
    END LOOP;
  END LOOP;
END $$;
--> statement-breakpoint

-- What callers do at all. Nobody moves a row to another shop, so no role may update a shop_id.
GRANT USAGE ON SCHEMA public TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
GRANT SELECT ON
  shop, sku, stock_movement, reservation, wallet, wallet_permission, hold, transfer, entry, orders, order_line, order_event, order_step,
  idempotency_key, attention, intervention, finding, repair, stat, stat_progress
  TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
GRANT INSERT, UPDATE (claimed_until, response_status, response_body) ON idempotency_key
  TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
-- Refusing a payment takes its key. Every other step is the worker's.
GRANT INSERT ON order_step TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
GRANT INSERT ON wallet TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
GRANT INSERT, DELETE ON wallet_permission TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
GRANT INSERT, UPDATE (name, price, currency, on_hand, reserved) ON sku TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
GRANT UPDATE (posted, held) ON wallet TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
GRANT INSERT ON stock_movement, transfer, entry TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (name, roles, scopes, expires_at, revoked_at) ON api_key TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE (expires_at) ON api_key_secret TO holdfast_shop, holdfast_installation;
--> statement-breakpoint
GRANT INSERT, UPDATE (name) ON shop TO holdfast_installation;
--> statement-breakpoint
-- Of the whole installation, so of no shop.
GRANT SELECT ON measurement, alert, alert_notice, run_end TO holdfast_installation;
--> statement-breakpoint

-- Rows that name their shop.
ALTER TABLE shop ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON shop TO holdfast_shop USING (id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON shop FOR SELECT TO holdfast_buyer USING (id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON shop TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE sku ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON sku TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON sku FOR SELECT TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON sku TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE stock_movement ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON stock_movement TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON stock_movement TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE wallet ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON wallet TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON wallet FOR SELECT TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop') AND owner_id = current_setting('holdfast.buyer'));--> statement-breakpoint
-- Money comes by deposits, which are not a buyer's to make.
CREATE POLICY opened_by_buyer ON wallet FOR INSERT TO holdfast_buyer WITH CHECK (shop_id = current_setting('holdfast.shop') AND owner_id = current_setting('holdfast.buyer') AND posted = 0 AND held = 0);--> statement-breakpoint
CREATE POLICY of_installation ON wallet TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE transfer ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON transfer TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON transfer FOR SELECT TO holdfast_buyer USING (EXISTS (SELECT FROM entry WHERE entry.transfer_id = transfer.id));--> statement-breakpoint
CREATE POLICY of_installation ON transfer TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE entry ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON entry TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON entry FOR SELECT TO holdfast_buyer USING (EXISTS (SELECT FROM wallet WHERE wallet.id = entry.wallet_id));--> statement-breakpoint
CREATE POLICY of_installation ON entry TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON orders TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON orders FOR SELECT TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop') AND buyer_id = current_setting('holdfast.buyer'));--> statement-breakpoint
CREATE POLICY of_installation ON orders TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON idempotency_key TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON idempotency_key TO holdfast_buyer USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON idempotency_key TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE attention ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON attention TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON attention FOR SELECT TO holdfast_buyer USING (EXISTS (SELECT FROM orders WHERE orders.id = attention.order_id));--> statement-breakpoint
CREATE POLICY of_installation ON attention TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE intervention ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON intervention TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_buyer ON intervention FOR SELECT TO holdfast_buyer USING (EXISTS (SELECT FROM orders WHERE orders.id = intervention.order_id));--> statement-breakpoint
CREATE POLICY of_installation ON intervention TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE finding ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON finding TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON finding TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE stat ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON stat TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON stat TO holdfast_installation USING (true);--> statement-breakpoint
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_shop ON api_key TO holdfast_shop USING (shop_id = current_setting('holdfast.shop'));--> statement-breakpoint
CREATE POLICY of_installation ON api_key TO holdfast_installation USING (true);--> statement-breakpoint

-- Rows that are reached through the order, wallet, finding or key that they belong to: its policies apply here, too.
ALTER TABLE reservation ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON reservation TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = reservation.order_id));--> statement-breakpoint
ALTER TABLE hold ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON hold TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = hold.order_id));--> statement-breakpoint
ALTER TABLE order_line ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON order_line TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = order_line.order_id));--> statement-breakpoint
ALTER TABLE order_event ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON order_event TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = order_event.order_id));--> statement-breakpoint
ALTER TABLE order_step ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON order_step TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM orders WHERE orders.id = order_step.order_id));--> statement-breakpoint
ALTER TABLE wallet_permission ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON wallet_permission TO holdfast_shop, holdfast_buyer, holdfast_installation USING (EXISTS (SELECT FROM wallet WHERE wallet.id = wallet_permission.wallet_id));--> statement-breakpoint
ALTER TABLE repair ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON repair TO holdfast_shop, holdfast_installation USING (EXISTS (SELECT FROM finding WHERE finding.id = repair.finding_id));--> statement-breakpoint
ALTER TABLE api_key_secret ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_parent ON api_key_secret TO holdfast_shop, holdfast_installation USING (EXISTS (SELECT FROM api_key WHERE api_key.id = api_key_secret.key_id));--> statement-breakpoint

-- A buyer may order with a wallet that its owner shares, without seeing what is in it. Whether it covers this order has to be known all the
-- same, and this function's owner sees every wallet.
CREATE FUNCTION wallet_covers(id uuid, amount bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT wallet.posted - wallet.held >= amount FROM wallet WHERE wallet.id = $1 $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION wallet_covers (uuid, bigint) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION wallet_covers (uuid, bigint) TO holdfast_shop, holdfast_buyer, holdfast_installation;
