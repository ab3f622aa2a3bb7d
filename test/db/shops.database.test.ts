/** A shop is created once and can be renamed, by those who look after the installation. */
import { expect, test } from 'vitest';
import { findShop, listShops, putShop } from '../../db/shops.ts';
import { ALL_SHOPS, MAIN_SHOP } from '../../domain/shops.ts';
import { freshDatabase } from '../support/database.ts';

const { database } = await freshDatabase();

test('a shop is created by the first request, and renamed by the next', async () => {
  expect(await putShop(database, { id: 'north', name: 'North' })).toMatchObject({
    outcome: 'created',
    shop: { id: 'north', name: 'North' },
  });
  const renamed = await putShop(database, { id: 'north', name: 'Far north' });
  expect(renamed).toMatchObject({ outcome: 'changed', shop: { name: 'Far north' } });
  expect(await findShop(database, 'north')).toEqual(renamed.shop);
});

test('of two requests at once for a new shop, one creates it', async () => {
  const both = await Promise.all(['One', 'Two'].map((name) => putShop(database, { id: 'twin', name })));
  expect(both.map(({ outcome }) => outcome).sort()).toEqual(['changed', 'created']);
});

test('shops are listed by their ids, page by page, the main shop among them', async () => {
  for (const id of ['a-shop', 'zebra']) await putShop(database, { id, name: id });
  const seen: string[] = [];
  for (let after: string | undefined; ;) {
    const page = await listShops(database, { after, limit: 2 });
    seen.push(...page.map(({ id }) => id));
    after = page.at(-1)?.id;
    if (page.length < 2) break;
  }
  expect(seen).toEqual([...new Set(seen)].sort());
  expect(seen).toContain(MAIN_SHOP);
});

test('within a shop, only that shop is there, and none can be made or renamed', async () => {
  const main = database.reaching({ shop: MAIN_SHOP });
  await putShop(database.reaching({ shop: ALL_SHOPS }), { id: 'south', name: 'South' });
  expect((await listShops(main, { after: undefined, limit: 100 })).map(({ id }) => id)).toEqual([MAIN_SHOP]);
  expect(await findShop(main, 'south')).toBeUndefined();
  for (const id of ['south', 'new', MAIN_SHOP])
    await expect(putShop(main, { id, name: 'Mine' })).rejects.toThrow(/permission denied/);
  expect((await findShop(database, 'south'))?.name).toBe('South');
});
