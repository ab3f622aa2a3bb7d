/**
 * The rules that always hold (design, section 4), each as one query that returns what breaks it: no row, no breach.
 * Tests, `npm run check` and whoever reconciles share them. Each is one statement and so sees one moment.
 *
 * Rules 8 and 11 also need Temporal's view of what runs: ops/check.ts adds it.
 */
import { RECORDED_MOVES } from '../../domain/stages.ts';
import type { Queryable } from '../postgres.ts';

/** What breaks a rule: the row's key and a sentence with the values that disagree. */
export interface Breach {
  subject: string;
  finding: string;
}

export interface Rule {
  /** The number in the design's section 4. */
  number: number;
  name: string;
  breaches(sql: Queryable): PromiseLike<readonly Breach[]>;
}

const moves = JSON.stringify(RECORDED_MOVES);

export const RULES: readonly Rule[] = [
  {
    number: 1,
    name: '0 <= reserved <= on hand, and reserved is the sum of the held reservations',
    breaches: (sql) => sql<Breach[]>`
      with held as (
        select sku, sum(quantity) as quantity from reservation where state = 'held' group by sku
      )
      select
        sku as subject,
        format(
          'on hand %s, reserved %s, held by reservations %s',
          coalesce(on_hand::text, 'none'), coalesce(reserved::text, 'none'), coalesce(held.quantity, 0)
        ) as finding
      from sku full join held using (sku)
      where
        reserved is null or reserved <> coalesce(held.quantity, 0) or reserved < 0 or reserved > on_hand
    `,
  },
  {
    number: 2,
    name: 'units are conserved: what came in is on hand or consumed',
    breaches: (sql) => sql<Breach[]>`
      with come as (
        select sku, sum(quantity) as quantity from stock_movement group by sku
      ),
      gone as (
        select sku, sum(quantity) as quantity from reservation where state = 'consumed' group by sku
      )
      select
        sku as subject,
        format(
          'came in (with returns) %s, consumed %s, on hand %s',
          coalesce(come.quantity, 0), coalesce(gone.quantity, 0), coalesce(on_hand::text, 'none')
        ) as finding
      from sku full join come using (sku) full join gone using (sku)
      where on_hand is null or coalesce(come.quantity, 0) <> on_hand + coalesce(gone.quantity, 0)
    `,
  },
  {
    number: 3,
    name: 'every order has the step that decided it and its lines, and while it holds or has sold them one reservation for each',
    breaches: (sql) => sql<Breach[]>`
      with kept as (
        select order_id, sku, quantity, state from reservation
        -- What damage held for no order is given back by reconciliation.
        where state <> 'released' or exists (select from orders where orders.id = reservation.order_id)
      ),
      compared as (
        select
          coalesce(line.order_id, kept.order_id) as order_id, coalesce(line.sku, kept.sku) as sku,
          line.quantity as ordered, kept.quantity as reserved
        from order_line as line full join kept on kept.order_id = line.order_id and kept.sku = line.sku
      )
      select
        format('order %s, SKU %s', order_id, sku) as subject,
        format('ordered %s, reserved %s', coalesce(ordered, 0), coalesce(reserved, 0)) as finding
      from compared left join orders on orders.id = order_id
      where
        ordered is distinct from reserved
        -- An order that was rejected, or cancelled before it was reserved, has lines alone.
        and not (
          reserved is null and orders.stage in ('rejected', 'cancelled')
          and not exists (select from order_step where order_step.order_id = orders.id and step = 'reserve' and stage = 'awaiting_payment')
        )
      union all
      select format('order %s', orders.id), format('%s, but it has no lines', orders.stage)
      from orders
      where not exists (select from order_line where order_line.order_id = orders.id)
      union all
      select format('order %s', orders.id), format('%s, but no step of it is recorded: %s', orders.stage, needed.step)
      from orders
      cross join (
        values ('reserve', null), ('pay', 'paid'), ('pay', 'refunded'), ('refund', 'refunded')
      ) as needed (step, for_stage)
      where
        coalesce(needed.for_stage, orders.stage) = orders.stage
        and not exists (
          select from order_step
          where
            order_step.order_id = orders.id and order_step.step = needed.step
            -- A payment that was refused is a step, too.
            and (needed.step <> 'pay' or order_step.stage = 'paid')
        )
      union all
      select format('order %s', order_id), format('its %s is recorded, but the order does not exist', what)
      from (
        select order_id, 'line of ' || sku as what from order_line
        union all
        select order_id, 'step ' || step from order_step
      ) as part
      where not exists (select from orders where orders.id = part.order_id)
    `,
  },
  {
    number: 4,
    name: 'the legs of every transfer sum to zero, and so does the ledger, per currency',
    breaches: (sql) => sql<Breach[]>`
      select format('transfer %s', transfer.id) as subject, format('%s legs, sum %s', count(entry), sum(amount)) as finding
      from transfer left join entry on entry.transfer_id = transfer.id
      group by transfer.id, entry.currency
      having count(entry) < 2 or sum(amount) <> 0
      union all
      select format('transfer %s', transfer_id), format('does not exist, but has a leg of %s', amount)
      from entry
      where not exists (select from transfer where transfer.id = entry.transfer_id)
      union all
      select format('ledger in %s', currency), format('sum %s', sum(amount))
      from entry
      group by currency
      having sum(amount) <> 0
    `,
  },
  {
    number: 5,
    name: 'posted is the sum of a wallet\u2019s entries, held the sum of its live holds, and it was never overdrawn',
    breaches: (sql) => sql<Breach[]>`
      with moved as (
        select wallet_id as id, sum(amount) as amount from entry where account = 'wallet' group by wallet_id
      ),
      promised as (
        select wallet_id as id, sum(amount) as amount from hold where state = 'held' group by wallet_id
      ),
      running as (
        select
          wallet_id, transfer_id, seq, posted_after, held_after,
          sum(amount) over (partition by wallet_id order by seq) as amount
        from entry
        where account = 'wallet'
      )
      select
        format('wallet %s', id) as subject,
        format(
          'posted %s, entries %s; held %s, holds %s',
          coalesce(posted::text, 'none'), coalesce(moved.amount, 0), coalesce(held::text, 'none'), coalesce(promised.amount, 0)
        ) as finding
      from wallet full join moved using (id) full join promised using (id)
      where
        posted is null or posted <> coalesce(moved.amount, 0) or held <> coalesce(promised.amount, 0) or held < 0 or posted < held
      union all
      select
        format('wallet %s, entry %s', wallet_id, seq),
        format('posted after %s, sum so far %s, held after %s', posted_after, amount, held_after)
      from running
      where
        posted_after < held_after
        or held_after < 0
        -- Between its damage and its repair, a wallet's entries say for ever what it held then. The repair is on a worker's clock.
        or (
          posted_after <> amount
          and not exists (
            select from finding join transfer on transfer.id = running.transfer_id
            where
              finding.kind = 'wallet_counter_wrong' and finding.subject = wallet_id::text and finding.state = 'repaired'
              and transfer.recorded_at < finding.ended_at + interval '1 minute'
          )
        )
    `,
  },
  {
    number: 6,
    name: 'one debit or capture for a paid order, of its total and its mode, none that is kept for any other; a refund never exceeds it',
    breaches: (sql) => sql<Breach[]>`
      with leg as (
        select transfer.order_id, transfer.kind, coalesce(-entry.amount, 0) as amount, entry.wallet_id, entry.currency
        from transfer left join entry on entry.transfer_id = transfer.id and entry.account = 'wallet'
        where transfer.order_id is not null
      ),
      payment as (
        select order_id, count(*) as count, sum(amount) as amount, min(kind) as kind
        from leg
        where kind in ('debit', 'capture')
        group by order_id
      ),
      given_back as (
        select order_id, -sum(amount) as amount from leg where kind = 'refund' group by order_id
      )
      select
        format('order %s', orders.id) as subject,
        format(
          '%s in %s mode, total %s: %s %s of %s in all, refunds of %s',
          orders.stage, orders.payment_mode, orders.total, coalesce(payment.count, 0), coalesce(payment.kind, 'payments'),
          coalesce(payment.amount, 0), coalesce(given_back.amount, 0)
        ) as finding
      from orders
      left join payment on payment.order_id = orders.id
      left join given_back on given_back.order_id = orders.id
      where
        (orders.stage in ('paid', 'refunded') and payment.order_id is null)
        -- What was taken by damage for an order that is over is given back by reconciliation.
        or (
          orders.stage not in ('paid', 'refunded')
          and payment.order_id is not null
          and payment.amount is distinct from given_back.amount
        )
        or payment.count > 1
        or (
          orders.stage in ('paid', 'refunded')
          and (
            payment.amount <> orders.total
            or payment.kind <> case orders.payment_mode when 'hold' then 'capture' else 'debit' end
          )
        )
        or (orders.stage = 'refunded' and given_back.order_id is null)
        or (orders.stage = 'paid' and given_back.order_id is not null)
        or given_back.amount > payment.amount
      union all
      select format('order %s', leg.order_id), format('a %s touched wallet %s in %s', leg.kind, leg.wallet_id, leg.currency)
      from leg join orders on orders.id = leg.order_id
      where leg.wallet_id <> orders.wallet_id or leg.currency <> orders.currency
      union all
      select format('order %s', leg.order_id), format('does not exist, but a %s of %s was made for it', leg.kind, leg.amount)
      from leg
      where not exists (select from orders where orders.id = leg.order_id)
    `,
  },
  {
    number: 7,
    name: 'reservations and holds are where their order is: held while open, consumed when paid, given back otherwise',
    breaches: (sql) => sql<Breach[]>`
      with expected (stage, reservation_state, hold_state) as (
        values
          ('awaiting_payment', 'held', 'held'),
          ('paid', 'consumed', 'captured'),
          ('refunded', 'consumed', 'captured'),
          ('cancelled', 'released', 'voided'),
          ('expired', 'released', 'voided'),
          ('rejected', 'released', 'voided')
      )
      select
        format('order %s, SKU %s', reservation.order_id, reservation.sku) as subject,
        format('%s with a reservation that is %s', coalesce(orders.stage, 'does not exist'), reservation.state) as finding
      from reservation
      left join orders on orders.id = reservation.order_id
      left join expected using (stage)
      -- Of an order that does not exist nothing may stay.
      where reservation.state <> coalesce(expected.reservation_state, 'released')
      union all
      select format('order %s', hold.order_id), format('%s with a hold that is %s', coalesce(orders.stage, 'does not exist'), hold.state)
      from hold
      left join orders on orders.id = hold.order_id
      left join expected using (stage)
      where hold.state <> coalesce(expected.hold_state, 'voided')
      union all
      select format('order %s', orders.id), format('%s in debit mode, but it has a hold', orders.stage)
      from orders join hold on hold.order_id = orders.id
      where orders.payment_mode = 'debit'
      union all
      select format('order %s', orders.id), format('%s in hold mode, but it has no hold', orders.stage)
      from orders left join hold on hold.order_id = orders.id
      where
        orders.payment_mode = 'hold' and orders.stage in ('awaiting_payment', 'paid', 'refunded') and hold.order_id is null
    `,
  },
  {
    number: 9,
    name: 'an order\u2019s events are a path of the stage table with gapless versions, and end where the order is',
    breaches: (sql) => sql<Breach[]>`
      with allowed as (
        select "from", "to" from jsonb_to_recordset(${moves}::text::jsonb) as move ("from" text, "to" text)
      ),
      step as (
        select
          order_id, version, stage, from_stage,
          lag(stage) over path as previous_stage,
          row_number() over path as expected_version
        from order_event
        window path as (partition by order_id order by version)
      ),
      last as (
        select order_id, max(version) as version from order_event group by order_id
      )
      select
        format('order %s, event %s', order_id, version) as subject,
        format('%s to %s after %s', coalesce(from_stage, 'nothing'), stage, coalesce(previous_stage, 'nothing')) as finding
      from step
      where
        version <> expected_version
        or from_stage is distinct from previous_stage
        or not exists (
          select from allowed where allowed."from" is not distinct from step.from_stage and allowed."to" = step.stage
        )
      union all
      select
        format('order %s', orders.id),
        format('%s at version %s, but its last event is %s', orders.stage, orders.version, coalesce(last.version, 0))
      from orders
      left join last on last.order_id = orders.id
      left join order_event on order_event.order_id = orders.id and order_event.version = last.version
      where orders.version is distinct from last.version or orders.stage is distinct from order_event.stage
      union all
      select format('order %s', last.order_id), format('does not exist, but has events up to version %s', last.version)
      from last
      where not exists (select from orders where orders.id = last.order_id)
    `,
  },
  {
    number: 10,
    name: 'an order id that a caller was given is in the database',
    breaches: (sql) => sql<Breach[]>`
      select
        format('order %s', idempotency_key.command_id) as subject,
        format('given to a caller for key %s, but there is no such order', idempotency_key.key) as finding
      from idempotency_key left join orders on orders.id = idempotency_key.command_id
      where operation = 'createOrder' and response_status = 201 and orders.id is null
    `,
  },
];

export interface RuleReport {
  rule: Rule;
  breaches: readonly Breach[];
}

/** Runs every rule. The caller's connection decides how long a query may take; on a large database that is seconds. */
export async function checkRules(sql: Queryable): Promise<RuleReport[]> {
  const reports: RuleReport[] = [];
  for (const rule of RULES) reports.push({ rule, breaches: await rule.breaches(sql) });
  return reports;
}
