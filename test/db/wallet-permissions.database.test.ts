/** Who may pay from a wallet is for its owner and its shop to say, and for nobody else. */
import { v7 as uuidv7 } from 'uuid';
import { beforeAll, describe, expect, test } from 'vitest';
import { allowBuyer, disallowBuyer, findPermission } from '../../db/wallet-permissions.ts';
import { putShop } from '../../db/shops.ts';
import { ALL_SHOPS, MAIN_SHOP } from '../../domain/shops.ts';
import { freshDatabase } from '../support/database.ts';

const { database, sql } = await freshDatabase();

const walletId = uuidv7();
const permission = { walletId, buyerId: 'bob' };

beforeAll(async () => {
  await putShop(database, { id: 'north', name: 'North' });
  await sql`insert into wallet (id, shop_id, owner_id, currency) values (${walletId}, ${MAIN_SHOP}, 'alice', 'EUR')`;
});

describe.each([
  ['the shop', database.reaching({ shop: MAIN_SHOP })],
  ['the owner', database.reaching({ shop: MAIN_SHOP, buyer: 'alice' })],
  ['the installation', database.reaching({ shop: ALL_SHOPS })],
])('%s of a wallet', (_who, reach) => {
  test('allows a buyer once, sees that, and takes it back', async () => {
    expect(await findPermission(reach, permission)).toBeUndefined();
    const first = await allowBuyer(reach, permission);
    expect(first).toMatchObject({ outcome: 'created', permission });
    expect(await allowBuyer(reach, permission)).toEqual({ ...first, outcome: 'unchanged' });
    expect(await findPermission(reach, permission)).toEqual(first?.permission);
    await disallowBuyer(reach, permission);
    await disallowBuyer(reach, permission);
    expect(await findPermission(database, permission)).toBeUndefined();
  });
});

describe.each([
  ['another shop', database.reaching({ shop: 'north' })],
  ['another buyer', database.reaching({ shop: MAIN_SHOP, buyer: 'mallory' })],
  ['the buyer who would be allowed', database.reaching({ shop: MAIN_SHOP, buyer: 'bob' })],
  ['a buyer of that name in another shop', database.reaching({ shop: 'north', buyer: 'alice' })],
])('%s', (_who, reach) => {
  test('finds no wallet to allow anybody, and neither sees nor takes back a permission', async () => {
    expect(await allowBuyer(reach, permission)).toBeUndefined();
    await allowBuyer(database, permission);
    expect(await allowBuyer(reach, permission)).toBeUndefined();
    expect(await findPermission(reach, permission)).toBeUndefined();
    await disallowBuyer(reach, permission);
    expect(await findPermission(database, permission)).toBeDefined();
    await disallowBuyer(database, permission);
  });
});
