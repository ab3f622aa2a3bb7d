/** Idempotency keys as crashes and other releases leave them. */
import { expect } from 'vitest';
import type { Sql } from '../../db/postgres.ts';

/** Leaves the key as if the API had crashed after the effect and before it kept the answer. */
export async function forgetAnswer(sql: Sql, key: string): Promise<void> {
  const forgotten = await sql`
    update idempotency_key set response_status = null, response_body = null, claimed_until = now() where key = ${key}
  `;
  expect(forgotten.count).toBe(1);
}
