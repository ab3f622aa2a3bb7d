/** A SKU's entity tag, and the conditions on it that a change may carry. */
import type { Context } from 'hono';
import { skuState, type SkuStates } from '../../db/sku-state.ts';
import type { Sku } from '../../db/skus.ts';
import { CONDITION_SCHEMA, readCondition, type EntityTag } from '../http/entity-tags.ts';

/**
 * A SKU's tag: its state and its reserved units. A copy is current if both match. Conditions on changes compare only the state, which
 * stays the same until an order is paid.
 */
export const skuTag = (sku: Sku): string => `"${skuState(sku)}.${sku.reserved}"`;

const stateIn = ({ opaque }: EntityTag): string => opaque.replace(/\.\d+$/, '');

/**
 * Reads in which states of a SKU the request may change it.
 * @throws {Problem} when a header is invalid.
 */
export function readSkuConditions(c: Context): { ifIn?: SkuStates; ifNotIn?: SkuStates } {
  const match = readCondition(c, 'If-Match');
  const noneMatch = readCondition(c, 'If-None-Match');
  return {
    // If-Match compares strongly, so a weak tag never matches.
    ...(match && { ifIn: match === '*' ? 'any' : match.filter(({ isWeak }) => !isWeak).map(stateIn) }),
    ...(noneMatch && { ifNotIn: noneMatch === '*' ? 'any' : noneMatch.map(stateIn) }),
  };
}

export const IF_MATCH_PARAMETER = {
  name: 'If-Match',
  in: 'header' as const,
  description:
    'The ETag of the SKU that the change is based on. The change is refused if the name, price or units on hand have changed since. `*`: only if the SKU exists.',
  schema: CONDITION_SCHEMA,
};

export const IF_NONE_MATCH_PARAMETER = {
  name: 'If-None-Match',
  in: 'header' as const,
  description: '`*`: only if the SKU does not exist yet',
  schema: CONDITION_SCHEMA,
};
