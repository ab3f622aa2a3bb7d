/** What operators search workflows by in Temporal: the names and types of the search attributes. They are registered with a namespace and stay. */
import { MAIN_SHOP } from './shops.ts';

export const SEARCH_ATTRIBUTES = {
  /** The shop of an order, a refund or a payment. */
  HoldfastShop: 'KEYWORD',
  /** The buyer of an order, a refund or a payment. */
  HoldfastBuyer: 'KEYWORD',
  /** The stage of an order, and the one in which a refund has left it: see stages.ts. */
  HoldfastStage: 'KEYWORD',
  /** When an order's payment window ends. */
  HoldfastDeadline: 'DATETIME',
  /** Why a person has to look: see attention.ts. Absent while nobody has to. */
  HoldfastAttention: 'KEYWORD',
  /** The step that keeps failing: see order.ts. Absent while none does. */
  HoldfastFailingStep: 'KEYWORD',
} as const;
export type SearchAttribute = keyof typeof SEARCH_ATTRIBUTES;

const isSearchAttribute = (name: string): name is SearchAttribute => name in SEARCH_ATTRIBUTES;
export const SEARCH_ATTRIBUTE_NAMES: readonly SearchAttribute[] =
  Object.keys(SEARCH_ATTRIBUTES).filter(isSearchAttribute);

/** Whose an order is. */
export interface OrderOwner {
  /** Absent for {@link MAIN_SHOP}. */
  shopId?: string;
  buyerId: string;
}

/** A value as Temporal's clients take it; null removes it. */
export type SearchPair<Removed extends null = never> =
  | { key: { name: SearchAttribute; type: 'KEYWORD' }; value: string | Removed }
  | { key: { name: SearchAttribute; type: 'DATETIME' }; value: Date | Removed };

/** @param value of a time, in ISO 8601. */
export function searchPair(name: SearchAttribute, value: string): SearchPair {
  const type = SEARCH_ATTRIBUTES[name];
  return type === 'DATETIME'
    ? { key: { name, type }, value: new Date(value) }
    : { key: { name, type }, value };
}

/** Removes a value. */
export function noSearchPair(name: SearchAttribute): SearchPair<null> {
  const type = SEARCH_ATTRIBUTES[name];
  return type === 'DATETIME' ? { key: { name, type }, value: null } : { key: { name, type }, value: null };
}

/** What every workflow about an order starts with. */
export const ownerPairs = ({ shopId = MAIN_SHOP, buyerId }: OrderOwner): SearchPair[] => [
  searchPair('HoldfastShop', shopId),
  searchPair('HoldfastBuyer', buyerId),
];
