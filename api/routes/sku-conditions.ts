/** A SKU's entity tag, and the conditions on it that a change may carry. */
import type { Context } from 'hono';
import { skuState, type SkuStates } from '../../db/sku-state.ts';
import type { Sku } from '../../db/skus.ts';
import { readCondition, type EntityTag } from '../http/entity-tags.ts';

/**
 * A SKU's tag: its state and the units reserved. A copy is current if both match; conditions on changes compare the state alone,
 * which an order leaves as it is until it is paid.
 */
export const skuTag = (sku: Sku): string => `"${skuState(sku)}.${sku.reserved}"`;

const stateIn = ({ opaque }: EntityTag): string => opaque.replace(/\.\d+$/, '');

/**
 * The states that a change of a SKU asks for.
 * @throws {Problem} when a header cannot be read.
 */
export function skuConditions(c: Context): { ifIn?: SkuStates; ifNotIn?: SkuStates } {
  const match = readCondition(c, 'If-Match');
  const noneMatch = readCondition(c, 'If-None-Match');
  return {
    // If-Match compares strongly: a weak tag says nothing about it.
    ...(match && { ifIn: match === '*' ? 'any' : match.filter(({ isWeak }) => !isWeak).map(stateIn) }),
    ...(noneMatch && { ifNotIn: noneMatch === '*' ? 'any' : noneMatch.map(stateIn) }),
  };
}
