/** SKUs: what is sold, at what price, and how many units of it there are. */
import { eq, inArray } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from './connection.ts';
import { sku as skus } from './schema/shop.ts';

export type Sku = typeof skus.$inferSelect;
export type SkuTerms = Omit<Sku, 'reserved'>;

/** Units on hand that a SKU cannot exceed. */
export const ON_HAND_LIMIT = 1_000_000_000_000;

export type PutSku =
  | { outcome: 'created' | 'changed'; sku: Sku }
  /** Fewer units were asked for than open orders hold. */
  | { outcome: 'below_reserved'; reserved: number };

export type Restock = { outcome: 'booked'; sku: Sku } | { outcome: 'unknown_sku' | 'limit_exceeded' };

/** The SKU of that name, or undefined. */
export async function findSku(database: Database, sku: string): Promise<Sku | undefined> {
  const [found] = await database.run(({ orm }) => orm.select().from(skus).where(eq(skus.sku, sku)));
  return found;
}

/** Those of the named SKUs that exist, in SKU order. */
export async function findSkus(database: Database, names: readonly string[]): Promise<Sku[]> {
  return database.run(({ orm }) =>
    orm
      .select()
      .from(skus)
      .where(inArray(skus.sku, [...names]))
      .orderBy(skus.sku),
  );
}

/** Creates a SKU, or changes its name, price and units on hand. Units are booked as a movement either way. */
export async function putSku(database: Database, terms: SkuTerms): Promise<PutSku> {
  const created = await insertSku(database, terms);
  if (created) return { outcome: 'created', sku: created };
  const changed = await changeSku(database, terms);
  if (changed) return { outcome: 'changed', sku: changed };
  const { reserved } = await existing(database, terms.sku);
  return { outcome: 'below_reserved', reserved };
}

async function insertSku(database: Database, terms: SkuTerms): Promise<Sku | undefined> {
  const { sku, name, price, currency, onHand } = terms;
  const [created] = await database.run(
    ({ sql }) => sql<Sku[]>`
      -- Is this SKU new? Then its first units are booked with it.
      with created as (
        insert into sku (sku, name, price, currency, on_hand)
        values (${sku}, ${name}, ${price}, ${currency}, ${onHand})
        on conflict (sku) do nothing
        returning *
      ),
      movement as (
        insert into stock_movement (id, sku, kind, quantity)
        select ${uuidv7()}, sku, 'initial', on_hand from created where on_hand <> 0
      )
      select sku, name, price, currency, on_hand as "onHand", reserved from created
    `,
  );
  return created;
}

async function changeSku(database: Database, terms: SkuTerms): Promise<Sku | undefined> {
  const { sku, name, price, currency, onHand } = terms;
  const [changed] = await database.run(
    ({ sql }) => sql<Sku[]>`
      -- The lock comes first: between reading on_hand and writing it, a sale could take units that the difference
      -- would then put back.
      with target as materialized (
        select sku, on_hand, reserved from sku
        where sku = ${sku} and reserved <= ${onHand}
        for no key update
      ),
      movement as (
        insert into stock_movement (id, sku, kind, quantity)
        select ${uuidv7()}, sku, 'adjustment', ${onHand}::bigint - on_hand
        from target
        where on_hand <> ${onHand}
      )
      -- reserved is set, too: a CHECK is evaluated on the row as the snapshot has it (steps/step.ts).
      update sku
      set name = ${name}, price = ${price}, currency = ${currency}, on_hand = ${onHand}, reserved = target.reserved
      from target
      where sku.sku = target.sku
      returning sku.sku, sku.name, sku.price, sku.currency, sku.on_hand as "onHand", sku.reserved
    `,
  );
  return changed;
}

/**
 * Adds units on hand. The movement's id is the idempotency key: a repeated restock changes nothing.
 * Returns the SKU as it is now.
 */
export async function restockSku(
  database: Database,
  { movementId, sku, quantity }: { movementId: string; sku: string; quantity: number },
): Promise<Restock> {
  const [booked] = await database.run(
    ({ sql }) => sql<Sku[]>`
      -- A twin waits at the lock and then finds the movement there; the update depends on the insert, so it adds nothing.
      with target as materialized (
        select sku from sku
        where sku = ${sku} and on_hand <= ${ON_HAND_LIMIT}::bigint - ${quantity}::bigint
        for no key update
      ),
      movement as (
        insert into stock_movement (id, sku, kind, quantity)
        select ${movementId}, sku, 'restock', ${quantity} from target
        on conflict (id) do nothing
        returning sku, quantity
      )
      update sku set on_hand = sku.on_hand + movement.quantity
      from movement
      where sku.sku = movement.sku
      returning sku.sku, sku.name, sku.price, sku.currency, sku.on_hand as "onHand", sku.reserved
    `,
  );
  if (booked) return { outcome: 'booked', sku: booked };

  // No row: unknown, at the limit, or booked before. A new snapshot tells which.
  const [recorded] = await database.run(
    ({ sql }) => sql<{ booked: boolean }[]>`
      select exists (select from stock_movement where id = ${movementId}) as booked
      from sku
      where sku = ${sku}
    `,
  );
  if (!recorded) return { outcome: 'unknown_sku' };
  if (!recorded.booked) return { outcome: 'limit_exceeded' };
  return { outcome: 'booked', sku: await existing(database, sku) };
}

async function existing(database: Database, sku: string): Promise<Sku> {
  const found = await findSku(database, sku);
  if (!found) throw new Error(`SKU ${sku} was deleted, which nothing is meant to do.`);
  return found;
}
