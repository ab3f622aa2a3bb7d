/** Movements of a SKU's units other than sales: restocks and counts. */
import { ON_HAND_LIMIT } from '../domain/limits.ts';
import type { Database } from './connection.ts';
import type { Fragment, Queryable } from './postgres.ts';
import { isInState, type SkuStates } from './sku-state.ts';
import { columnsOf, runOnSku, type Sku, type SkuKey } from './skus.ts';

export interface RestockRequest extends SkuKey {
  movementId: string;
  quantity: number;
  ifIn?: SkuStates | undefined;
}

export interface CountRequest extends SkuKey {
  movementId: string;
  onHand: number;
  expectedOnHand: number;
  ifIn?: SkuStates | undefined;
}

/** Whether units moved, and the SKU as it is afterwards. */
export type Booking<Refusal extends string> =
  { outcome: 'booked' | 'precondition_failed' | Refusal; sku: Sku } | { outcome: 'unknown_sku' };
export type Restock = Booking<'limit_exceeded'>;
export type Count = Booking<'unexpected' | 'below_reserved'>;

/**
 * Adds units on hand. The movement's id is the idempotency key: a repeated restock changes nothing.
 * Returns the SKU as it is now.
 */
export const restockSku = (
  database: Database,
  { movementId, shopId, sku, quantity, ifIn = 'any' }: RestockRequest,
): Promise<Restock> =>
  bookMovement<'limit_exceeded'>(database, { movementId, shopId, sku, kind: 'restock', ifIn }, (sql) => ({
    refusal: sql`case when on_hand > ${ON_HAND_LIMIT}::bigint - ${quantity}::bigint then 'limit_exceeded' end`,
    quantity: sql`${quantity}::bigint`,
  }));

/**
 * Sets the units on hand to what somebody counted, if there were as many as they expected, so that what was sold or came in since then
 * is not overwritten. The difference is booked as a movement, whose id is the idempotency key.
 */
export const countSku = (
  database: Database,
  { movementId, shopId, sku, onHand, expectedOnHand, ifIn = 'any' }: CountRequest,
): Promise<Count> =>
  bookMovement<'unexpected' | 'below_reserved'>(
    database,
    { movementId, shopId, sku, kind: 'adjustment', ifIn },
    (sql) => ({
      refusal: sql`case when on_hand <> ${expectedOnHand} then 'unexpected' when reserved > ${onHand} then 'below_reserved' end`,
      quantity: sql`${onHand}::bigint - on_hand`,
    }),
  );

interface MovementRequest extends SkuKey {
  movementId: string;
  kind: 'restock' | 'adjustment';
  ifIn: SkuStates;
}

/**
 * Books a movement of a SKU's units, unless it was booked before.
 * @param decide in SQL, on the locked row: the refusal or null, and how many units.
 */
async function bookMovement<Refusal extends string>(
  database: Database,
  { movementId, shopId, sku, kind, ifIn }: MovementRequest,
  decide: (sql: Queryable) => { refusal: Fragment; quantity: Fragment },
): Promise<Booking<Refusal>> {
  const [decided] = await runOnSku(database, { shopId, sku }, ({ sql }) => {
    const { refusal, quantity } = decide(sql);
    return sql<(Sku & { refusal: Refusal | 'precondition_failed' | null; booked: number | null })[]>`
      -- The lock comes first, so that all of this is decided on the row that changes.
      with locked_sku as materialized (
        select * from sku where shop_id = ${shopId} and sku = ${sku} for no key update
      ),
      decided as (
        select
          locked_sku.*, ${quantity} as quantity,
          case when not ${isInState(sql, ifIn)} then 'precondition_failed' else ${refusal} end as refusal
        from locked_sku
      ),
      movement as (
        -- A twin waits at the lock and then finds the movement; the update depends on this insert, so nothing is added twice.
        insert into stock_movement (id, shop_id, sku, kind, quantity)
        select ${movementId}, shop_id, sku, ${kind}, quantity from decided where refusal is null and quantity <> 0
        on conflict (id) do nothing
        returning shop_id, sku, quantity
      ),
      moved as (
        -- Every column of the CHECK from the locked row: see steps/step.ts.
        update sku set on_hand = decided.on_hand + movement.quantity, reserved = decided.reserved
        from decided join movement using (shop_id, sku)
        where sku.shop_id = decided.shop_id and sku.sku = decided.sku
        returning sku.on_hand
      )
      select refusal, (select on_hand from moved) as booked, ${columnsOf(sql, 'decided')} from decided
    `;
  });
  if (!decided) return { outcome: 'unknown_sku' };
  const { refusal, booked, ...found } = decided;
  if (booked !== null) return { outcome: 'booked', sku: { ...found, onHand: booked } };

  // Nothing moved. A twin may have booked it after this statement's snapshot: a new snapshot shows that.
  const before = await findMovement(database, movementId, { shopId, sku });
  if (before?.isBooked) return { outcome: 'booked', sku: before.sku };
  return { outcome: refusal ?? 'booked', sku: found };
}

async function findMovement(
  database: Database,
  movementId: string,
  { shopId, sku }: SkuKey,
): Promise<{ isBooked: boolean; sku: Sku } | undefined> {
  const [found] = await database.run(
    ({ sql }) => sql<(Sku & { isBooked: boolean })[]>`
      select exists (select from stock_movement where id = ${movementId}) as "isBooked", ${columnsOf(sql, 'sku')}
      from sku
      where shop_id = ${shopId} and sku = ${sku}
    `,
  );
  if (!found) return undefined;
  const { isBooked, ...rest } = found;
  return { isBooked, sku: rest };
}
