/**
 * The rules that always hold (design, section 4), each as one query that returns what breaks it: no row, no breach.
 * Tests, `npm run check` and whoever reconciles share them. Each is one statement and so sees one moment.
 *
 * Rules 8 and 11 also need Temporal's view of what runs: ops/check.ts adds it.
 */
import { RECORDED_MOVES } from '../workflows/life.ts';
import type { Queryable } from './connection.ts';

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
        format('on hand %s, reserved %s, held by reservations %s', on_hand, reserved, coalesce(held.quantity, 0)) as finding
      from sku left join held using (sku)
      where reserved <> coalesce(held.quantity, 0) or reserved < 0 or reserved > on_hand
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
          coalesce(come.quantity, 0), coalesce(gone.quantity, 0), on_hand
        ) as finding
      from sku left join come using (sku) left join gone using (sku)
      where coalesce(come.quantity, 0) <> on_hand + coalesce(gone.quantity, 0)
    `,
  },
  {
    number: 3,
    name: 'an order that was reserved has exactly one reservation for each of its lines, of the same quantity',
    breaches: (sql) => sql<Breach[]>`
      with granted as (
        select order_id as id from order_step where step = 'reserve' and stage = 'awaiting_payment'
      )
      select
        format('order %s, SKU %s', coalesce(line.order_id, reservation.order_id), coalesce(line.sku, reservation.sku)) as subject,
        format('ordered %s, reserved %s', coalesce(line.quantity, 0), coalesce(reservation.quantity, 0)) as finding
      from (select order_line.* from order_line join granted on granted.id = order_line.order_id) as line
      full join reservation on reservation.order_id = line.order_id and reservation.sku = line.sku
      where
        line.quantity is distinct from reservation.quantity
        -- What damage held for no order is given back by reconciliation.
        and (
          line.quantity is not null
          or reservation.state <> 'released'
          or exists (select from orders where orders.id = reservation.order_id)
        )
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
          posted, coalesce(moved.amount, 0), held, coalesce(promised.amount, 0)
        ) as finding
      from wallet left join moved using (id) left join promised using (id)
      where
        posted <> coalesce(moved.amount, 0) or held <> coalesce(promised.amount, 0) or held < 0 or posted < held
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
        select transfer.order_id, transfer.kind, -entry.amount as amount, entry.wallet_id, entry.currency
        from transfer join entry on entry.transfer_id = transfer.id and entry.account = 'wallet'
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
        format('order %s, SKU %s', orders.id, reservation.sku) as subject,
        format('%s with a reservation that is %s', orders.stage, reservation.state) as finding
      from reservation
      join orders on orders.id = reservation.order_id
      join expected using (stage)
      where reservation.state <> expected.reservation_state
      union all
      select format('order %s', orders.id), format('%s with a hold that is %s', orders.stage, hold.state)
      from hold
      join orders on orders.id = hold.order_id
      join expected using (stage)
      where hold.state <> expected.hold_state
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
