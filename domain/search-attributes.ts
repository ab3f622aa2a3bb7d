/** What operators search workflows by in Temporal: the names and types of the search attributes. They are registered with a namespace and stay. */

export const SEARCH_ATTRIBUTES = {
  /** The shop of an order, a refund or a payment. */
  HoldfastShop: 'KEYWORD',
  /** The buyer of an order, a refund or a payment. */
  HoldfastBuyer: 'KEYWORD',
  /** The stage of an order: see stages.ts. */
  HoldfastStage: 'KEYWORD',
  /** When an order's payment window ends. */
  HoldfastDeadline: 'DATETIME',
  /** Why a person has to look: see attention.ts. Absent while nobody has to. */
  HoldfastAttention: 'KEYWORD',
  /** The step that keeps failing: see order.ts. Absent while none does. */
  HoldfastFailingStep: 'KEYWORD',
} as const;
export type SearchAttribute = keyof typeof SEARCH_ATTRIBUTES;
