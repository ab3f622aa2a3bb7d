/** Detectors of money: the counters of a wallet, the legs of a transfer, and money held for orders that are over. */
import type { Queryable } from '../postgres.ts';
import { NIL, keysOf, type Detector, type Fragment, type Inspected, type PageOfRows } from './detector.ts';

/** Money of a wallet that its holds promise, of orders and of payments. */
export const moneyHeld = (sql: Queryable, walletId: Fragment): Fragment => sql`
  (
    select coalesce(sum(amount), 0)
    from (
      select amount from hold where hold.wallet_id = ${walletId} and state = 'held'
      union all
      select amount from payment_hold where payment_hold.wallet_id = ${walletId} and state = 'held'
    ) as promise
  )
`;

/**
 * What a wallet's entries sum to (`posted`), how many of them state impossible balances (`misstated`), and the first of these
 * (`first_misstated`). Grows with all that ever happened to the wallet.
 */
export const sumOfEntries = (sql: Queryable, walletId: Fragment): Fragment => sql`
  select
    coalesce(sum(amount), 0) as posted,
    count(*) filter (where is_misstated) as misstated,
    min(seq) filter (where is_misstated) as first_misstated
  from (
    select
      seq, amount,
      posted_after < held_after
      or held_after < 0
      -- Entries written between a wallet's damage and its repair state forever what it held then. The repair is on a worker's clock.
      or (
        posted_after <> sum_so_far
        and not exists (
          select from finding join transfer on transfer.id = transfer_id
          where
            finding.kind = 'wallet_counter_wrong' and finding.subject = wallet_id::text and finding.state = 'repaired'
            and transfer.recorded_at < finding.ended_at + interval '1 minute'
        )
      ) as is_misstated
    from (
      select *, sum(amount) over (order by seq rows unbounded preceding) as sum_so_far
      from entry
      where entry.wallet_id = ${walletId}
    ) as running
  ) as judged
`;

const wallets = (sql: Queryable, { after, limit }: PageOfRows): Fragment => sql`
  select id as subject, id, posted, held from wallet where id > ${after ?? NIL} order by id limit ${limit}
`;

/** Rule 5: a wallet's counters are what they sum, and it was never overdrawn. */
export const walletCounters: Detector = {
  page: wallets,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, null as "orderId",
      case
        when page.posted <> entries.posted or page.held <> promised.held or page.held < 0 or page.posted < page.held
          then format(
            'posted %s, by its entries %s; held %s, by its holds %s', page.posted, entries.posted, page.held, promised.held
          )
        when misstated > 0
          then format(
            'entry %s states another balance than the entries sum to, or an overdrawn one (entries that do: %s)', first_misstated, misstated
          )
      end as finding
    from (${wallets(sql, page)}) as page
    cross join lateral (${sumOfEntries(sql, sql`page.id`)}) as entries
    cross join lateral (select ${moneyHeld(sql, sql`page.id`)} as held) as promised
    order by page.id
  `,
};

/** By an order, or with a third key by a payment of it. */
const heldHolds = (sql: Queryable, { after, limit }: PageOfRows): Fragment => {
  const [walletId = NIL, orderId = NIL, paymentId = NIL] = keysOf(after);
  return sql`
    select concat_ws('/', wallet_id, order_id, payment_id) as subject, wallet_id, order_id, payment_id, amount
    from (
      (
        select wallet_id, order_id, null::uuid as payment_id, amount from hold
        where state = 'held' and (wallet_id, order_id) > (${walletId}::uuid, ${orderId}::uuid)
        order by wallet_id, order_id
        limit ${limit}
      )
      union all
      (
        select wallet_id, order_id, payment_id, amount from payment_hold
        where state = 'held' and (wallet_id, order_id, payment_id) > (${walletId}::uuid, ${orderId}::uuid, ${paymentId}::uuid)
        order by wallet_id, order_id, payment_id
        limit ${limit}
      )
    ) as known
    order by wallet_id, order_id, payment_id nulls first
    limit ${limit}
  `;
};

/** Rule 7: only an open order holds money, and only a payment that is under way. Once its order is over, its workflow lets go of it. */
export const moneyHeldByClosedOrders: Detector = {
  page: heldHolds,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, promised.order_id as "orderId",
      case
        when orders.id is null then format('%s of wallet %s are held for an order that does not exist', promised.amount, promised.wallet_id)
        when promised.payment_id is null and stage <> 'awaiting_payment'
          then format('%s of wallet %s are held for an order that is %s', promised.amount, promised.wallet_id, stage)
        when promised.payment_id is not null and payment.id is null
          then format('%s of wallet %s are held for a payment that does not exist', promised.amount, promised.wallet_id)
        when payment.state in ('declined', 'voided')
          then format('%s of wallet %s are held for a payment that is %s', promised.amount, promised.wallet_id, payment.state)
      end as finding
    from (${heldHolds(sql, page)}) as promised
    left join orders on orders.id = promised.order_id
    left join payment on payment.id = promised.payment_id
    order by promised.wallet_id, promised.order_id, promised.payment_id nulls first
  `,
};

/** Transfers, and transfers that are missing but have legs. */
const transfersAndOrphans = (sql: Queryable, { after, limit }: PageOfRows): Fragment => {
  const cursor = after ?? NIL;
  return sql`
    select id as subject, id
    from (
      (select id from transfer where id > ${cursor} order by id limit ${limit})
      union
      (select distinct transfer_id from entry where transfer_id > ${cursor} order by transfer_id limit ${limit})
    ) as known
    order by id
    limit ${limit}
  `;
};

/**
 * Rule 4: the legs of every transfer sum to zero in one currency, and so the ledger does, as every leg is part of a transfer that is
 * inspected. Rule 5, for entries of a wallet that is missing.
 */
export const transferLegs: Detector = {
  page: transfersAndOrphans,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, order_id as "orderId", to_json(breaks) as breaks,
      case
        when breaks = '{}' then null
        when kind is null then format('does not exist, but %s legs of it do, which sum to %s', legs, amount)
        when abroad > 0 then format('a %s of shop %s has %s legs in another shop', kind, shop_id, abroad)
        when 4 = any (breaks) then format('a %s has %s legs in %s currencies, which sum to %s', kind, legs, currencies, amount)
        else format('a %s is of a wallet that does not exist', kind)
      end as finding
    from (
      select page.subject, page.id, kind, order_id, shop_id
      from (${transfersAndOrphans(sql, page)}) as page
      -- A lateral makes it a look-up for each, and not a join with all transfers there ever were.
      left join lateral (select kind, order_id, shop_id from transfer where transfer.id = page.id limit 1) as transfer on true
    ) as page
    cross join lateral (
      select
        count(*) as legs, coalesce(sum(amount), 0) as amount, count(distinct entry.currency) as currencies,
        count(*) filter (where account = 'wallet' and wallet.id is null) as strays,
        count(*) filter (where entry.shop_id <> page.shop_id) as abroad
      from entry left join wallet on wallet.id = entry.wallet_id
      where entry.transfer_id = page.id
    ) as entries
    cross join lateral (
      select
        array_remove(
          array[
            case when kind is null or legs < 2 or amount <> 0 or currencies <> 1 or abroad > 0 then 4 end,
            case when strays > 0 then 5 end
          ],
          null
        ) as breaks
    ) as judged
    order by page.id
  `,
};
