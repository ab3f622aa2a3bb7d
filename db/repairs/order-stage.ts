/** The stage of an order whose rows are repaired. */
import type { RestingStage } from '../../domain/stages.ts';
import type { Queryable } from '../postgres.ts';

/** Locks the order, as a step does. Undefined when it does not exist. */
export async function lockStage(sql: Queryable, orderId: string): Promise<RestingStage | undefined> {
  const [order] = await sql<{ stage: RestingStage }[]>`
    select stage from orders where id = ${orderId} for no key update
  `;
  return order?.stage;
}

export const isSold = (stage: RestingStage | undefined): boolean => stage === 'paid' || stage === 'refunded';
