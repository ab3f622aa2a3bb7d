/** SKUs: what is sold, at what price, and how many units exist. */
import { and, eq, inArray } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Connections, Database } from './connection.ts';
import type { Queryable } from './postgres.ts';
import { avoidLockedRows } from './locked-rows.ts';
import { isInState, type SkuStates } from './sku-state.ts';
import { sku as skus } from './schema/skus.ts';

/** What a shop calls a SKU is its own: another shop may sell something else under the same code. */
export interface SkuKey {
  shopId: string;
  sku: string;
}

/** A SKU of a shop that is known. */
export type Sku = Omit<typeof skus.$inferSelect, 'shopId'>;

/** What callers set, and sales do not change. */
export type SkuTerms = Pick<Sku, 'sku' | 'name' | 'price' | 'currency'>;

export interface PutSkuRequest extends SkuTerms, SkuKey {
  /** Units on hand at creation, 0 unless given. */
  onHand?: number | undefined;
  /** False for a retired currency: then a SKU is changed only if it already has exactly this price. */
  isCurrencyCurrent: boolean;
  /** The SKU must be in one of these states. */
  ifIn?: SkuStates | undefined;
  /** The SKU must be in none of these. */
  ifNotIn?: SkuStates | undefined;
}

export type PutSku =
  | { outcome: 'created' | 'changed'; sku: Sku }
  | { outcome: 'precondition_failed' | 'on_hand_given' | 'price_refused' };

/** The shop's SKU of that name, or undefined. */
export async function findSku(database: Database, { shopId, sku }: SkuKey): Promise<Sku | undefined> {
  const [found] = await database.run(({ orm }) =>
    orm
      .select(shownColumns)
      .from(skus)
      .where(and(eq(skus.shopId, shopId), eq(skus.sku, sku))),
  );
  return found;
}

/** Those of the named SKUs that the shop has, in SKU order. */
export async function findSkus(database: Database, shopId: string, names: readonly string[]): Promise<Sku[]> {
  return database.run(({ orm }) =>
    orm
      .select(shownColumns)
      .from(skus)
      .where(and(eq(skus.shopId, shopId), inArray(skus.sku, [...names])))
      .orderBy(skus.sku),
  );
}

const shownColumns = {
  sku: skus.sku,
  name: skus.name,
  price: skus.price,
  currency: skus.currency,
  onHand: skus.onHand,
  reserved: skus.reserved,
};

/**
 * Creates a SKU with its first units, or changes its name and price. The units of an existing SKU are left as they are: between
 * reading and writing them, a sale could take some.
 */
export async function putSku(database: Database, request: PutSkuRequest): Promise<PutSku> {
  const mayCreate = request.ifIn === undefined && request.isCurrencyCurrent;
  const created = mayCreate ? await insertSku(database, request) : undefined;
  if (created) return { outcome: 'created', sku: created };
  const changed = await changeSku(database, request);
  if (changed) return changed;
  // There is no such SKU, and this request creates none.
  if (request.ifIn !== undefined) return { outcome: 'precondition_failed' };
  if (!request.isCurrencyCurrent) return { outcome: 'price_refused' };
  throw new Error(`SKU ${request.sku} was deleted, which nothing is meant to do.`);
}

async function insertSku(database: Database, request: PutSkuRequest): Promise<Sku | undefined> {
  const { shopId, sku, name, price, currency, onHand = 0 } = request;
  const [created] = await database.run(
    ({ sql }) => sql<Sku[]>`
      -- Is this SKU new? Then its first units are booked with it.
      with created as (
        insert into sku (shop_id, sku, name, price, currency, on_hand)
        values (${shopId}, ${sku}, ${name}, ${price}, ${currency}, ${onHand})
        on conflict (shop_id, sku) do nothing
        returning *
      ),
      movement as (
        insert into stock_movement (id, shop_id, sku, kind, quantity)
        select ${uuidv7()}, shop_id, sku, 'initial', on_hand from created where on_hand <> 0
      )
      select ${columnsOf(sql, 'created')} from created
    `,
  );
  return created;
}

async function changeSku(
  database: Database,
  { shopId, sku, name, price, currency, onHand, isCurrencyCurrent, ifIn, ifNotIn }: PutSkuRequest,
): Promise<PutSku | undefined> {
  const [decided] = await runOnSku(
    database,
    { shopId, sku },
    ({ sql }) => sql<(Sku & { outcome: 'changed' | Exclude<PutSku['outcome'], 'created'> })[]>`
      -- The lock comes first, so that all of this is decided on the row that changes.
      with locked_sku as materialized (
        select * from sku where shop_id = ${shopId} and sku = ${sku} for no key update
      ),
      decided as (
        select
          locked_sku.*,
          case
            when not ${isInState(sql, ifIn ?? 'any')} or ${isInState(sql, ifNotIn ?? [])} then 'precondition_failed'
            -- The same request again, because its answer was lost, does not try to set the units.
            when
              ${onHand ?? null}::bigint is not null
              and (name, price, currency, on_hand) is distinct from (${name}, ${price}::bigint, ${currency}, ${onHand ?? null}::bigint)
              then 'on_hand_given'
            when not ${isCurrencyCurrent}::boolean and (price, currency) is distinct from (${price}::bigint, ${currency})
              then 'price_refused'
            else 'changed'
          end as outcome
        from locked_sku
      ),
      changed as (
        -- Every column of the CHECK from the locked row: see steps/step.ts.
        update sku
        set name = ${name}, price = ${price}, currency = ${currency}, on_hand = decided.on_hand, reserved = decided.reserved
        from decided
        where sku.shop_id = decided.shop_id and sku.sku = decided.sku and outcome = 'changed'
        returning sku.*
      )
      select outcome, ${columnsOf(sql, 'decided')} from decided
    `,
  );
  if (decided?.outcome !== 'changed') return decided && { outcome: decided.outcome };
  const { outcome, ...before } = decided;
  return { outcome, sku: { ...before, name, price, currency } };
}

/** Runs a statement that locks a SKU. A row that another session has locked must not cost the API its connections. */
export const runOnSku = <T>(
  database: Database,
  key: SkuKey,
  query: (connections: Connections) => PromiseLike<T>,
): Promise<T> =>
  avoidLockedRows(
    database,
    () => ({ skus: [key] }),
    () => database.run(query),
  );

/** A SKU's columns as {@link Sku} has them. */
export const columnsOf = (sql: Queryable, table: 'sku' | 'created' | 'decided') => sql`
  ${sql(table)}.sku, ${sql(table)}.name, ${sql(table)}.price, ${sql(table)}.currency,
  ${sql(table)}.on_hand as "onHand", ${sql(table)}.reserved
`;
