/** Which payments the scheduled run starts, so that none is forgotten. */
import { expect, test } from 'vitest';
import {
  listUnsettled,
  type UnsettledCursor,
  type UnsettledPayment,
} from '../../../db/payments/unsettled.ts';
import { freshDatabase } from '../../support/database.ts';
import { plantOrders, plantPart } from '../../support/planted.ts';

const { database, sql } = await freshDatabase();
const MINUTE = 60_000;
/** All of them, page by page. */
const list = async (limit: number) => {
  const before = new Date(Date.now() - MINUTE / 2);
  const found: string[] = [];
  for (let after: UnsettledCursor | undefined; ;) {
    const page: UnsettledPayment[] = await listUnsettled(database, { before, after, limit });
    found.push(...page.map(({ paymentId }) => paymentId));
    after = page.at(-1);
    if (page.length < limit) return found;
  }
};

test('payments with something left to do are found, the longest waiting first, each once in pages of any length', async () => {
  const [order = ''] = await plantOrders(sql, 1);
  for (let count = 0; count < 5; count += 1)
    await plantPart(sql, order, { state: 'authorised', age: 120 * MINUTE });
  const expected = [
    await plantPart(sql, order, { state: 'authorised', secures: false, age: 100 * MINUTE }),
    await plantPart(sql, order, { age: 90 * MINUTE }),
    await plantPart(sql, order, { state: 'captured', secures: false, age: 80 * MINUTE }),
    await plantPart(sql, order, { state: 'capturing', age: 70 * MINUTE }),
    // Its order may not have heard of it.
    await plantPart(sql, order, { state: 'authorised', age: 50 * MINUTE }),
  ];
  // What is over, and what has just begun.
  await plantPart(sql, order, { state: 'captured', age: 60 * MINUTE });
  await plantPart(sql, order, { state: 'declined', secures: false, age: 60 * MINUTE });
  await plantPart(sql, order);
  for (const limit of [100, 3, 1]) expect(await list(limit)).toEqual(expected);
});
