/** A rotation moves every buyer's key and every index to the current keys, while orders are placed and buyers erased. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { beforeEach, expect, test } from 'vitest';
import { countByKey, rotateIndex, rotateWrapping } from '../../db/personal-data-rotation.ts';
import { erasePersonalData, findPersonalData, recordPersonalData } from '../../db/personal-data.ts';
import type { Database } from '../../db/connection.ts';
import { listOrders } from '../../db/orders.ts';
import { indexEmail, type PersonalDataKeys } from '../../domain/personal-data-keys.ts';
import { freshDatabase } from '../support/database.ts';
import { aKey, readKeys } from '../support/personal-data.ts';
import { anOrder } from '../support/step-requests.ts';
import { reserve } from '../../db/steps/reserve.ts';

const { database, sql } = await freshDatabase();
const [older, newer, olderIndex, newerIndex] = [aKey('older'), aKey('newer'), aKey('ix-1'), aKey('ix-2')];
const before = readKeys({ PERSONAL_DATA_KEYS: older, PERSONAL_DATA_INDEX_KEYS: olderIndex });
/** What every process has while it goes on. */
const both = readKeys({
  PERSONAL_DATA_KEYS: `${newer},${older}`,
  PERSONAL_DATA_INDEX_KEYS: `${newerIndex},${olderIndex}`,
});
const after = readKeys({ PERSONAL_DATA_KEYS: newer, PERSONAL_DATA_INDEX_KEYS: newerIndex });
beforeEach(() => sql`truncate buyer_key, personal_data`);

const dataOf = (buyerId: string) => ({
  contact: { email: `${buyerId}@example.com` },
  deliveryNote: `for ${buyerId}`,
});
interface Recorded {
  orderId: string;
  buyerId: string;
}
async function record(keys: PersonalDataKeys, buyerId: string = randomUUID()): Promise<Recorded> {
  const orderId = uuidv7();
  await recordPersonalData(database, keys, { shopId: 'main', buyerId, orderId, data: dataOf(buyerId) });
  return { orderId, buyerId };
}
const many = (count: number, keys: PersonalDataKeys) =>
  Promise.all(Array.from({ length: count }, () => record(keys)));
const rotate = async (keys: PersonalDataKeys) => [
  await rotateWrapping(database, keys, () => {}),
  await rotateIndex(database, keys, () => {}),
];
const uses = async () => [...(await countByKey(database))];
const found = (keys: PersonalDataKeys, { buyerId }: Recorded) =>
  sql<{ id: string }[]>`
    select order_id as id from personal_data
    where shop_id = 'main' and email_index in ${sql(indexEmail(keys, 'main', `${buyerId}@example.com`).map(({ value }) => value))}
  `;

async function expectReadable(keys: PersonalDataKeys, some: readonly Recorded[]): Promise<void> {
  for (const one of some) {
    expect(await findPersonalData(database, keys, one.orderId)).toEqual(dataOf(one.buyerId));
    expect((await found(keys, one)).map(({ id }) => id)).toEqual([one.orderId]);
  }
}

test('after it, the older keys are needed no longer: everything is read and found without them', async () => {
  // More than two pages.
  const some = await many(450, before);
  expect(await uses()).toEqual([
    { use: 'wrapping', name: 'older', count: 450 },
    { use: 'index', name: 'ix-1', count: 450 },
  ]);
  expect(await rotate(both)).toEqual([
    { moved: 450, failed: 0 },
    { moved: 450, failed: 0 },
  ]);
  expect(await uses()).toEqual([
    { use: 'wrapping', name: 'newer', count: 450 },
    { use: 'index', name: 'ix-2', count: 450 },
  ]);
  await expectReadable(after, some.slice(0, 20));
  await expect(findPersonalData(database, before, some[0]?.orderId ?? '')).rejects.toThrow('no key newer');
});

test('in the middle of it, everything is read and found with both keys', async () => {
  const moved = await many(10, before);
  await rotate(both);
  await expectReadable(both, [...moved, ...(await many(10, before))]);
});

test('it goes on where it was interrupted, and a second run changes nothing', async () => {
  const some = await many(450, before);
  const interrupted = rotateWrapping(database, both, ({ moved }) => {
    if (moved >= 200) throw new Error('interrupted');
  });
  await expect(interrupted).rejects.toThrow('interrupted');
  expect(await uses()).toContainEqual({ use: 'wrapping', name: 'newer', count: 200 });
  expect(await rotate(both)).toEqual([
    { moved: 250, failed: 0 },
    { moved: 450, failed: 0 },
  ]);
  const rows = await sql`select * from buyer_key order by buyer_id`;
  expect(await rotate(both)).toEqual([
    { moved: 0, failed: 0 },
    { moved: 0, failed: 0 },
  ]);
  expect(await sql`select * from buyer_key order by buyer_id`).toEqual(rows);
  await expectReadable(after, some.slice(-10));
});

test('while orders are placed, buyers erased and other rotations run, nothing is lost and nothing comes back', async () => {
  const some = await many(300, before);
  const [erased, kept] = [some.slice(0, 100), some.slice(100)];
  const placed: Recorded[] = [];
  await Promise.all([
    rotate(both),
    rotate(both),
    ...erased.map(({ buyerId }) => erasePersonalData(database, { shopId: 'main', buyerId, why: 'asked to' })),
    // Half of the processes have the new settings.
    ...kept.map(async ({ buyerId }, index) =>
      placed.push(
        await record(
          index % 2 === 0
            ? both
            : readKeys({
                PERSONAL_DATA_KEYS: `${older},${newer}`,
                PERSONAL_DATA_INDEX_KEYS: `${olderIndex},${newerIndex}`,
              }),
          buyerId,
        ),
      ),
    ),
  ]);
  await rotate(both);
  for (const { buyerId } of erased)
    expect(await sql`select from buyer_key where buyer_id = ${buyerId}`).toEqual([]);
  for (const { orderId, buyerId } of [...kept, ...placed])
    expect(await findPersonalData(database, after, orderId)).toEqual(dataOf(buyerId));
  expect(await uses()).toEqual([
    { use: 'wrapping', name: 'newer', count: 200 },
    { use: 'index', name: 'ix-2', count: 400 },
  ]);
});

test('a buyer who is erased and orders again after a page was read keeps the new key', async () => {
  const { buyerId } = await record(before);
  let placed: Recorded | undefined;
  const erasedBetween: Database = {
    run: async (query) => {
      const answer = await database.run(query);
      if (placed) return answer;
      await erasePersonalData(database, { shopId: 'main', buyerId, why: 'asked to' });
      placed = await record(before, buyerId);
      return answer;
    },
    transaction: (work) => database.transaction(work),
  };
  expect(await rotateWrapping(erasedBetween, both, () => {})).toEqual({ moved: 0, failed: 0 });
  await expectReadable(both, placed ? [placed] : []);
  await rotate(both);
  await expectReadable(after, placed ? [placed] : []);
});

test('what it cannot unwrap stays as it is, is counted with its reason, and holds up nothing else', async () => {
  const lost = await many(
    3,
    readKeys({ PERSONAL_DATA_KEYS: aKey('lost'), PERSONAL_DATA_INDEX_KEYS: aKey('ix-0') }),
  );
  const some = await many(3, before);
  const reason = "PERSONAL_DATA_KEYS has no key lost, with which a buyer's key is encrypted.";
  expect(await rotate(both)).toEqual([
    { moved: 3, failed: 3, reason },
    { moved: 3, failed: 3, reason },
  ]);
  await expectReadable(after, some);
  expect(await uses()).toContainEqual({ use: 'wrapping', name: 'lost', count: lost.length });
});

test('a search finds the orders of a shop by any key of the index, newest first', async () => {
  const buyerId = randomUUID();
  const placed: string[] = [];
  for (const keys of [before, both, both]) {
    const order = anOrder({ buyerId, walletId: randomUUID(), lines: [{ sku: 'NONE', quantity: 1 }] });
    await reserve(database, order);
    await recordPersonalData(
      database,
      { ...keys, wrapping: both.wrapping },
      { orderId: order.orderId, shopId: 'main', buyerId, data: dataOf(buyerId) },
    );
    placed.push(order.orderId);
  }
  const search = async (shopId: string) => {
    const emailIndexes = indexEmail(both, shopId, `${buyerId}@EXAMPLE.com`).map(({ value }) => value);
    const orders = await listOrders(
      database,
      { placedWith: { shopId, emailIndexes } },
      { before: undefined, limit: 10 },
    );
    return orders.map(({ id }) => id);
  };
  expect(await search('main')).toEqual(placed.toSorted().toReversed());
  expect(await search('tea')).toEqual([]);
});
