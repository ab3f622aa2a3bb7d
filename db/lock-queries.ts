/** Asks PostgreSQL which rows are locked, and which rows a step locks. */
import type { Database } from './connection.ts';

/** A SKU of a shop. */
interface SkuKey {
  shopId: string;
  sku: string;
}

/** A line of an order. */
interface LineKey {
  orderId: string;
  sku: string;
}

/** The rows that a statement locks, by their keys. */
export interface Rows {
  orders?: readonly string[];
  lines?: readonly LineKey[];
  skus?: readonly SkuKey[];
  wallets?: readonly string[];
}

export interface Row {
  kind: 'order' | 'order line' | 'SKU' | 'wallet';
  /** A line's is order/SKU, a SKU's shop/SKU. */
  id: string;
}

export const listRows = ({ orders = [], lines = [], skus = [], wallets = [] }: Rows): Row[] => [
  ...orders.map((id): Row => ({ kind: 'order', id })),
  ...lines.map(({ orderId, sku }): Row => ({ kind: 'order line', id: `${orderId}/${sku}` })),
  ...skus.map(({ shopId, sku }): Row => ({ kind: 'SKU', id: `${shopId}/${sku}` })),
  ...wallets.map((id): Row => ({ kind: 'wallet', id })),
];

/** @param milliseconds that the session has waited. */
export async function askWhetherSomeSessionWaits(database: Database, milliseconds: number): Promise<boolean> {
  const [row] = await database.run(
    ({ sql }) => sql<{ waits: boolean }[]>`
      -- Has a session like this one waited for a lock for long? If none has, slow statements are slow for another reason. The rows
      -- themselves would not show it: a statement under way locks its own.
      select exists (
        select
        from pg_locks join pg_stat_activity using (pid)
        where
          not granted
          and datname = current_database()
          and application_name = current_setting('application_name')
          and waitstart < clock_timestamp() - ${milliseconds} * interval '1 millisecond'
      ) as waits
    `,
  );
  return row?.waits ?? false;
}

export function askWhichAreLocked(database: Database, rows: readonly Row[]): Promise<Row[]> {
  return database.run(
    ({ sql }) => sql<Row[]>`
      -- Which of these rows could a step not lock, in the order in which steps lock them? This waits for none of them, and unlocks
      -- the others as it ends.
      with asked as materialized (
        select kind, id from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as asked (kind text, id text)
      ),
      -- Laterals make each a look-up by its key, however many rows the planner expects.
      free_order as materialized (
        select free.id
        from asked cross join lateral (
          select id from orders where orders.id = asked.id::uuid for no key update skip locked
        ) as free
        where kind = 'order'
      ),
      free_line as materialized (
        select free.order_id, free.sku
        from asked cross join lateral (
          select order_id, sku from order_line
          where order_id = split_part(asked.id, '/', 1)::uuid and sku = split_part(asked.id, '/', 2)
          for no key update skip locked
        ) as free
        where kind = 'order line'
      ),
      free_sku as materialized (
        select free.shop_id, free.sku
        from asked cross join lateral (
          select shop_id, sku from sku
          where shop_id = split_part(asked.id, '/', 1) and sku = split_part(asked.id, '/', 2)
          for no key update skip locked
        ) as free
        where kind = 'SKU'
      ),
      free_wallet as materialized (
        select free.id
        from asked cross join lateral (
          select id from wallet where wallet.id = asked.id::uuid for no key update skip locked
        ) as free
        where kind = 'wallet'
      )
      select kind, id
      from asked
      where
        case kind
          when 'order' then
            (select true from orders where orders.id = asked.id::uuid)
            and not exists (select from free_order where free_order.id = asked.id::uuid)
          when 'order line' then
            (
              select true from order_line
              where order_line.order_id = split_part(asked.id, '/', 1)::uuid and order_line.sku = split_part(asked.id, '/', 2)
            )
            and not exists (select from free_line where concat_ws('/', free_line.order_id, free_line.sku) = asked.id)
          when 'SKU' then
            (select true from sku where sku.shop_id = split_part(asked.id, '/', 1) and sku.sku = split_part(asked.id, '/', 2))
            and not exists (select from free_sku where concat_ws('/', free_sku.shop_id, free_sku.sku) = asked.id)
          when 'wallet' then
            (select true from wallet where wallet.id = asked.id::uuid)
            and not exists (select from free_wallet where free_wallet.id = asked.id::uuid)
        end
      order by case kind when 'order' then 1 when 'order line' then 2 when 'SKU' then 3 else 4 end, id
    `,
  );
}

/** The rows that the steps of a recorded order lock: its own, its SKUs' and its wallet's. */
export async function rowsOfOrder(
  database: Database,
  orderId: string,
): Promise<{ orders: string[]; skus: SkuKey[]; wallets: string[]; holdsMoney: boolean }> {
  const rows = await database.run(
    ({ sql }) => sql<{ shopId: string; sku: string | null; walletId: string; holdsMoney: boolean }[]>`
      select
        orders.shop_id as "shopId", order_line.sku, orders.wallet_id as "walletId",
        orders.payment_mode = 'hold'
        or exists (select from payment_hold where payment_hold.order_id = orders.id and payment_hold.state = 'held') as "holdsMoney"
      from orders left join order_line on order_line.order_id = orders.id
      where orders.id = ${orderId}
    `,
  );
  return {
    orders: [orderId],
    skus: rows.flatMap(({ shopId, sku }) => (sku === null ? [] : [{ shopId, sku }])),
    wallets: rows.slice(0, 1).map(({ walletId }) => walletId),
    holdsMoney: rows[0]?.holdsMoney ?? false,
  };
}

/** The rows that a wallet's part in a payment locks: the payment's order and the wallet. */
export async function rowsOfPaymentHold(database: Database, paymentId: string): Promise<Rows> {
  const rows = await database.run(
    ({ sql }) => sql<{ orderId: string; walletId: string }[]>`
      select orders.id as "orderId", orders.wallet_id as "walletId"
      from payment join orders on orders.id = payment.order_id
      where payment.id = ${paymentId}
    `,
  );
  return { orders: rows.map(({ orderId }) => orderId), wallets: rows.map(({ walletId }) => walletId) };
}
