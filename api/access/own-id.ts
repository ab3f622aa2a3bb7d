/** Buyers act for themselves. */
import type { Caller } from '../../domain/access.ts';
import { Problem } from '../problems/problem.ts';

/**
 * The database would let a buyer write nobody else's rows either, but the order of somebody else would begin before that is noticed.
 * @throws {Problem} `forbidden`, before an Idempotency-Key is claimed: no answer is kept.
 */
export function requireOwnId({ buyer }: Caller, id: string, field: string): void {
  if (buyer !== undefined && id !== buyer)
    throw new Problem('forbidden', `A buyer acts for itself: ${field} must be the subject of the token.`);
}
