-- A person decides what becomes of a finding that nothing may repair by itself. db/schema/operations.ts says what each column is.
CREATE TABLE "decision" (
	"finding_id" uuid PRIMARY KEY NOT NULL,
	"choice" text NOT NULL,
	"actor" text NOT NULL,
	"reason" text NOT NULL,
	"before" json NOT NULL,
	"after" json NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "decision_choice" CHECK ("decision"."choice" in ('record_again', 'record_cancelled', 'restore_order', 'stop_workflow', 'restart_workflow', 'expire_order', 'cancel_order', 'mark_paid', 'take_money', 'book_payment', 'reconnect_payment', 'let_shop_pay', 'follow_events', 'follow_stage', 'complete_rows', 'recount_payment', 'accept', 'repair')),
	CONSTRAINT "decision_actor" CHECK (char_length("decision"."actor") between 1 and 200 and "decision"."actor" !~ '[\u0001-\u001f\u007f-\u009f]' and btrim("decision"."actor", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> ''),
	CONSTRAINT "decision_reason" CHECK (char_length("decision"."reason") between 1 and 500 and "decision"."reason" !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]' and btrim("decision"."reason", E'\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') <> '')
);
--> statement-breakpoint
ALTER TABLE "finding" DROP CONSTRAINT "finding_state";--> statement-breakpoint
ALTER TABLE "audit_inbox" DROP CONSTRAINT "audit_inbox_kind";--> statement-breakpoint
ALTER TABLE "decision" ADD CONSTRAINT "decision_finding_id_finding_id_fk" FOREIGN KEY ("finding_id") REFERENCES "public"."finding"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "finding_resolved" ON "finding" USING btree ("kind","subject") WHERE state = 'resolved';--> statement-breakpoint
ALTER TABLE "finding" ADD CONSTRAINT "finding_state" CHECK ("finding"."state" in ('open', 'repaired', 'gone', 'resolved'));--> statement-breakpoint
ALTER TABLE "audit_inbox" ADD CONSTRAINT "audit_inbox_kind" CHECK ("audit_inbox"."kind" in ('order', 'payment', 'wallet', 'sku', 'wallet_permission', 'api_key', 'api_key_secret', 'shop', 'intervention', 'repair', 'decision', 'settings', 'personal_data', 'retention', 'webhook', 'webhook_secret'));
--> statement-breakpoint

CREATE TRIGGER decision_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON decision
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint

-- Decisions are carried out by the API as the running role, once the caller has reached the finding: they change what only steps change.
GRANT SELECT, INSERT ON decision TO holdfast_running;
--> statement-breakpoint
GRANT SELECT ON decision TO holdfast_shop, holdfast_buyer, holdfast_installation;
--> statement-breakpoint
ALTER TABLE decision ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY of_running ON decision TO holdfast_running USING (true);--> statement-breakpoint
CREATE POLICY of_parent ON decision TO holdfast_shop, holdfast_installation USING (EXISTS (SELECT FROM finding WHERE finding.id = decision.finding_id OFFSET 0));
--> statement-breakpoint

-- The deed of the caller whose request it was, who names a person. Everything else that the transaction changes has the same author.
CREATE FUNCTION audit_decision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO audit_inbox (kind, shop_id, subject, order_id, why, before, after)
  SELECT
    'decision', finding.shop_id, finding.id, finding.order_id, added.reason,
    json_build_object('kind', finding.kind, 'finding', finding.finding, 'was', added.before),
    json_build_object('choice', added.choice, 'actor', added.actor, 'is', added.after)
  FROM added JOIN finding ON finding.id = added.finding_id;
  RETURN NULL;
END $$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION audit_decision() FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER decision_is_audited AFTER INSERT ON decision
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION audit_decision();
--> statement-breakpoint
ALTER TABLE decision ENABLE ALWAYS TRIGGER decision_is_audited;
