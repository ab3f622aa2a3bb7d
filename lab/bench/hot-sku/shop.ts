/** The fixture of the benchmark: SKUs by the thousand, or one for everybody. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Sql } from '../../../db/postgres.ts';
import type { PlacedOrder } from '../../../db/steps/step.ts';

const PRICE = 1_000;

export interface HotSkuShop {
  /** Creates SKUs with `onHand` units each, and returns orders for one unit of each in turn. */
  stockUp(skus: number, onHand: number): Promise<{ prefix: string; nextOrder: () => PlacedOrder }>;
  /** Units of the SKUs with this prefix: on hand, and reserved by orders. @throws when the two tables disagree. */
  countUnits(prefix: string): Promise<{ onHand: number; reserved: number }>;
}

export async function openHotSkuShop(sql: Sql): Promise<HotSkuShop> {
  const walletId = randomUUID();
  await sql`insert into wallet (shop_id, id, owner_id, currency) values ('main', ${walletId}, 'bench', 'EUR')`;
  let shelves = 0;
  return {
    async stockUp(skus, onHand) {
      const prefix = `BENCH-${++shelves}-`;
      await sql`
        with added as (
          insert into sku (shop_id, sku, name, price, currency, on_hand)
          select 'main', ${prefix} || number, 'bench', ${PRICE}, 'EUR', ${onHand}::bigint from generate_series(1, ${skus}::integer) as number
          returning sku
        )
        insert into stock_movement (shop_id, id, sku, kind, quantity)
        select 'main', gen_random_uuid(), sku, 'initial', ${onHand}::bigint from added
      `;
      let orders = 0;
      return {
        prefix,
        nextOrder() {
          const at = new Date();
          return {
            orderId: uuidv7(),
            buyerId: 'bench',
            walletId,
            paymentMode: 'debit',
            lines: [{ sku: `${prefix}${(orders++ % skus) + 1}`, quantity: 1 }],
            paymentDeadline: new Date(at.getTime() + 900_000).toISOString(),
            at: at.toISOString(),
          };
        },
      };
    },
    async countUnits(prefix) {
      const [units] = await sql<{ onHand: number; reserved: number; held: number }[]>`
        select
          (select sum(on_hand)::bigint from sku where starts_with(sku, ${prefix})) as "onHand",
          (select sum(reserved)::bigint from sku where starts_with(sku, ${prefix})) as reserved,
          (
            select coalesce(sum(quantity), 0)::bigint from reservation where state = 'held' and starts_with(sku, ${prefix})
          ) as held
      `;
      if (units === undefined || units.reserved !== units.held)
        throw new Error(`The SKUs have ${units?.reserved} units reserved, their orders ${units?.held}.`);
      return units;
    },
  };
}
