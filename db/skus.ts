/** SKUs: what is sold, at what price, and how many units exist. */
import { eq, inArray } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Connections, Database } from './connection.ts';
import type { Fragment, Queryable, Sql } from './postgres.ts';
import { ON_HAND_LIMIT } from '../domain/limits.ts';
import { avoidLockedRows } from './locked-rows.ts';
import { isInState, type SkuStates } from './sku-state.ts';
import { sku as skus } from './schema/skus.ts';

export type Sku = typeof skus.$inferSelect;

/** What callers set, and sales do not change. */
export type SkuTerms = Pick<Sku, 'sku' | 'name' | 'price' | 'currency'>;

export interface PutSkuRequest extends SkuTerms {
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

export interface RestockRequest {
  movementId: string;
  sku: string;
  quantity: number;
  ifIn?: SkuStates | undefined;
}

export interface CountRequest {
  movementId: string;
  sku: string;
  onHand: number;
  expectedOnHand: number;
  ifIn?: SkuStates | undefined;
}

/** Whether units moved, and the SKU as it is afterwards. */
export type Booking<Refusal extends string> =
  { outcome: 'booked' | 'precondition_failed' | Refusal; sku: Sku } | { outcome: 'unknown_sku' };
export type Restock = Booking<'limit_exceeded'>;
export type Count = Booking<'unexpected' | 'below_reserved'>;

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
  const { sku, name, price, currency, onHand = 0 } = request;
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
      select ${columnsOf(sql, 'created')} from created
    `,
  );
  return created;
}

async function changeSku(
  database: Database,
  { sku, name, price, currency, onHand, isCurrencyCurrent, ifIn, ifNotIn }: PutSkuRequest,
): Promise<PutSku | undefined> {
  const [decided] = await runOnSku(
    database,
    sku,
    ({ sql }) => sql<(Sku & { outcome: 'changed' | Exclude<PutSku['outcome'], 'created'> })[]>`
      -- The lock comes first, so that all of this is decided on the row that changes.
      with locked_sku as materialized (
        select * from sku where sku = ${sku} for no key update
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
        where sku.sku = decided.sku and outcome = 'changed'
        returning sku.*
      )
      select outcome, ${columnsOf(sql, 'decided')} from decided
    `,
  );
  if (decided?.outcome !== 'changed') return decided && { outcome: decided.outcome };
  const { outcome, ...before } = decided;
  return { outcome, sku: { ...before, name, price, currency } };
}

/**
 * Adds units on hand. The movement's id is the idempotency key: a repeated restock changes nothing.
 * Returns the SKU as it is now.
 */
export const restockSku = (
  database: Database,
  { movementId, sku, quantity, ifIn = 'any' }: RestockRequest,
): Promise<Restock> =>
  bookMovement<'limit_exceeded'>(database, { movementId, sku, kind: 'restock', ifIn }, (sql) => ({
    refusal: sql`case when on_hand > ${ON_HAND_LIMIT}::bigint - ${quantity}::bigint then 'limit_exceeded' end`,
    quantity: sql`${quantity}::bigint`,
  }));

/**
 * Sets the units on hand to what somebody counted, if there were as many as they expected, so that what was sold or came in since then
 * is not overwritten. The difference is booked as a movement, whose id is the idempotency key.
 */
export const countSku = (
  database: Database,
  { movementId, sku, onHand, expectedOnHand, ifIn = 'any' }: CountRequest,
): Promise<Count> =>
  bookMovement<'unexpected' | 'below_reserved'>(
    database,
    { movementId, sku, kind: 'adjustment', ifIn },
    (sql) => ({
      refusal: sql`case when on_hand <> ${expectedOnHand} then 'unexpected' when reserved > ${onHand} then 'below_reserved' end`,
      quantity: sql`${onHand}::bigint - on_hand`,
    }),
  );

interface MovementRequest {
  movementId: string;
  sku: string;
  kind: 'restock' | 'adjustment';
  ifIn: SkuStates;
}

/**
 * Books a movement of a SKU's units, unless it was booked before.
 * @param decide in SQL, on the locked row: the refusal or null, and how many units.
 */
async function bookMovement<Refusal extends string>(
  database: Database,
  { movementId, sku, kind, ifIn }: MovementRequest,
  decide: (sql: Sql) => { refusal: Fragment; quantity: Fragment },
): Promise<Booking<Refusal>> {
  const [decided] = await runOnSku(database, sku, ({ sql }) => {
    const { refusal, quantity } = decide(sql);
    return sql<(Sku & { refusal: Refusal | 'precondition_failed' | null; booked: number | null })[]>`
      -- The lock comes first, so that all of this is decided on the row that changes.
      with locked_sku as materialized (
        select * from sku where sku = ${sku} for no key update
      ),
      decided as (
        select
          locked_sku.*, ${quantity} as quantity,
          case when not ${isInState(sql, ifIn)} then 'precondition_failed' else ${refusal} end as refusal
        from locked_sku
      ),
      movement as (
        -- A twin waits at the lock and then finds the movement; the update depends on this insert, so nothing is added twice.
        insert into stock_movement (id, sku, kind, quantity)
        select ${movementId}, sku, ${kind}, quantity from decided where refusal is null and quantity <> 0
        on conflict (id) do nothing
        returning sku, quantity
      ),
      moved as (
        -- Every column of the CHECK from the locked row: see steps/step.ts.
        update sku set on_hand = decided.on_hand + movement.quantity, reserved = decided.reserved
        from decided join movement using (sku)
        where sku.sku = decided.sku
        returning sku.on_hand
      )
      select refusal, (select on_hand from moved) as booked, ${columnsOf(sql, 'decided')} from decided
    `;
  });
  if (!decided) return { outcome: 'unknown_sku' };
  const { refusal, booked, ...found } = decided;
  if (booked !== null) return { outcome: 'booked', sku: { ...found, onHand: booked } };

  // Nothing moved. A twin may have booked it after this statement's snapshot: a new snapshot shows that.
  const before = await findMovement(database, movementId, sku);
  if (before?.isBooked) return { outcome: 'booked', sku: before.sku };
  return { outcome: refusal ?? 'booked', sku: found };
}

/** Runs a statement that locks a SKU. A row that another session keeps locked must not cost the API its connections. */
const runOnSku = <T>(
  database: Database,
  sku: string,
  query: (connections: Connections) => PromiseLike<T>,
): Promise<T> =>
  avoidLockedRows(
    database,
    () => ({ skus: [sku] }),
    () => database.run(query),
  );

async function findMovement(
  database: Database,
  movementId: string,
  sku: string,
): Promise<{ isBooked: boolean; sku: Sku } | undefined> {
  const [found] = await database.run(
    ({ sql }) => sql<(Sku & { isBooked: boolean })[]>`
      select exists (select from stock_movement where id = ${movementId}) as "isBooked", ${columnsOf(sql, 'sku')}
      from sku
      where sku = ${sku}
    `,
  );
  if (!found) return undefined;
  const { isBooked, ...rest } = found;
  return { isBooked, sku: rest };
}

/** A SKU's columns as {@link Sku} has them. */
const columnsOf = (sql: Queryable, table: 'sku' | 'created' | 'decided') => sql`
  ${sql(table)}.sku, ${sql(table)}.name, ${sql(table)}.price, ${sql(table)}.currency,
  ${sql(table)}.on_hand as "onHand", ${sql(table)}.reserved
`;
