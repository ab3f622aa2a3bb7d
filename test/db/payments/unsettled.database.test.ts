/** Which payments the scheduled run starts, so that none is forgotten. */
import { expect, test } from 'vitest';
import { listUnsettled } from '../../../db/payments/unsettled.ts';
import { freshDatabase } from '../../support/database.ts';
import { plantOrders, plantPart } from '../../support/planted.ts';

const { database, sql } = await freshDatabase();
const MINUTE = 60_000;
const list = async (limit = 100) => {
  const found = await listUnsettled(database, { before: new Date(Date.now() - MINUTE / 2), limit });
  return found.map(({ paymentId }) => paymentId);
};

test('payments with something left to do are found, the longest waiting first, and many that wait for their order stand before none', async () => {
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
  expect(await list()).toEqual(expected);
  expect(await list(3)).toEqual(expected.slice(0, 3));
});
