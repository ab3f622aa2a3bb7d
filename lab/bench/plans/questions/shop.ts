/** What is asked about a shop: its SKUs, wallets, keys and names. */
import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import {
  createKey,
  findDevelopmentKeys,
  findKey as findOwnKey,
  isDevelopmentKey,
  listKeys,
  revokeKey,
  rotateKey,
} from '../../../../db/key-changes.ts';
import { findKey, isShop, noteUse } from '../../../../db/keys.ts';
import { dropEndedWindows, leaseUnits } from '../../../../db/rate-limits.ts';
import { findShop, listShops, putShop } from '../../../../db/shops.ts';
import { findSku, findSkus, putSku } from '../../../../db/skus.ts';
import { countSku, restockSku } from '../../../../db/stock-movements.ts';
import { allowBuyer, disallowBuyer, findPermission } from '../../../../db/wallet-permissions.ts';
import { createWallet, deposit, findWallet, listEntries } from '../../../../db/wallets.ts';
import { nth } from '../facts.ts';
import { askedBy, type Question } from '../question.ts';

const CALLERS = ['shop', 'buyer', 'installation'] as const;
const SKU = { shopId: 'main', sku: 'SKU-7' } as const;
const TERMS = { name: 'Thing', price: 500, currency: 'EUR', isCurrencyCurrent: true } as const;
const hash = (): string => randomBytes(32).toString('hex');
const keyId = (turn: number): string => `bench${'abcdefghijklmnop'.charAt(turn)}`.padEnd(12, 'z');

export const ABOUT_SHOPS: readonly Question[] = [
  ...askedBy(CALLERS, { name: 'a SKU', by: [findSku], ask: (database) => findSku(database, SKU) }),
  ...askedBy(CALLERS, {
    name: 'the SKUs of an order',
    by: [findSkus],
    ask: (database) => findSkus(database, 'main', ['SKU-1', 'SKU-2', 'SKU-3']),
  }),
  {
    name: 'put a new SKU',
    by: [putSku],
    as: 'shop',
    ask: (database, _, turn) => putSku(database, { ...TERMS, shopId: 'main', sku: `NEW-${turn}`, onHand: 5 }),
  },
  { name: 'put a SKU', by: [putSku], as: 'shop', ask: (database) => putSku(database, { ...TERMS, ...SKU }) },
  {
    name: 'restock a SKU',
    by: [restockSku],
    as: 'shop',
    ask: (database) => restockSku(database, { ...SKU, movementId: uuidv7(), quantity: 1 }),
  },
  {
    name: 'count a SKU',
    by: [countSku],
    as: 'shop',
    ask: (database) => countSku(database, { ...SKU, movementId: uuidv7(), onHand: 1, expectedOnHand: 2 }),
  },
  ...askedBy(CALLERS, {
    name: 'a wallet',
    by: [findWallet],
    ask: (database, { buyer }) => findWallet(database, buyer.walletId),
  }),
  ...askedBy(CALLERS, {
    name: 'entries of a wallet, first page',
    by: [listEntries],
    ask: (database, { buyer }) => listEntries(database, buyer.walletId, { before: undefined, limit: 21 }),
  }),
  ...askedBy(CALLERS, {
    name: 'entries of a wallet, later page',
    by: [listEntries],
    ask: (database, { buyer }) => listEntries(database, buyer.walletId, { before: 100_000, limit: 21 }),
  }),
  ...askedBy(['shop', 'buyer'], {
    name: 'open a wallet',
    by: [createWallet],
    ask: (database, { buyer }) =>
      createWallet(database, { id: uuidv7(), shopId: 'main', ownerId: buyer.id, currency: 'EUR' }),
  }),
  {
    name: 'deposit into a wallet',
    by: [deposit],
    as: 'shop',
    ask: (database, { buyer }) =>
      deposit(database, { transferId: uuidv7(), walletId: buyer.walletId, amount: 1 }),
  },
  {
    name: 'deposit into a wallet again',
    by: [deposit],
    as: 'shop',
    ask: async (database, { buyer }) => {
      const request = { transferId: uuidv7(), walletId: buyer.walletId, amount: 1 };
      await deposit(database, request);
      await deposit(database, request);
    },
  },
  ...askedBy(['shop', 'buyer'], {
    name: 'allow, find and disallow a buyer',
    by: [allowBuyer, findPermission, disallowBuyer],
    ask: async (database, { buyer }, turn) => {
      const permission = { walletId: buyer.walletId, buyerId: `friend-of-bench-${turn}` };
      await allowBuyer(database, permission);
      await findPermission(database, permission);
      await disallowBuyer(database, permission);
    },
  }),
  {
    name: 'the key of a caller',
    by: [findKey],
    as: 'holdfast',
    ask: (database, { keys }, turn) => findKey(database, nth(keys, turn).hash),
  },
  {
    name: 'note that a key was used',
    by: [noteUse],
    as: 'holdfast',
    ask: (database, { keys }, turn) => noteUse(database, nth(keys, turn).id, 60_000),
  },
  {
    name: 'whether there is a shop',
    by: [isShop],
    as: 'holdfast',
    ask: (database) => isShop(database, 'shop-7'),
  },
  ...askedBy(['shop', 'installation'], {
    name: 'a key',
    by: [findOwnKey],
    ask: (database, { keys }, turn) => findOwnKey(database, nth(keys, turn).id),
  }),
  ...askedBy(['shop', 'installation', 'empty shop'], {
    name: 'keys, first page',
    by: [listKeys],
    ask: (database) => listKeys(database, { after: undefined, limit: 21 }),
  }),
  ...askedBy(['shop', 'installation', 'empty shop'], {
    name: 'keys, later page',
    by: [listKeys],
    ask: (database, { until }) =>
      listKeys(database, {
        after: { createdAt: new Date(Date.parse(until) - 86_400_000), id: 'n' },
        limit: 21,
      }),
  }),
  {
    name: 'create, rotate and revoke a key',
    by: [createKey, rotateKey, revokeKey],
    as: 'shop',
    ask: async (database, _, turn) => {
      const id = keyId(turn);
      const key = {
        id,
        shop: 'main',
        name: 'till',
        roles: ['merchant'],
        scopes: null,
        createdBy: 'bench',
      } as const;
      await createKey(database, { ...key, hash: hash(), expiresIn: null });
      await rotateKey(database, { id, hash: hash(), overlap: 1_000 });
      await revokeKey(database, id);
    },
  },
  {
    name: 'development keys that work',
    by: [findDevelopmentKeys],
    as: 'holdfast',
    ask: (database) => findDevelopmentKeys(database),
  },
  {
    name: 'whether a key is for development',
    by: [isDevelopmentKey],
    as: 'holdfast',
    ask: (database, { keys }, turn) => isDevelopmentKey(database, nth(keys, turn).hash),
  },
  ...askedBy(['installation'], {
    name: 'put a shop',
    by: [putShop],
    ask: (database) => putShop(database, { id: 'shop-7', name: 'Shop 7' }),
  }),
  ...askedBy(['shop', 'installation'], {
    name: 'a shop',
    by: [findShop],
    ask: (database) => findShop(database, 'main'),
  }),
  ...askedBy(['shop', 'installation'], {
    name: 'shops',
    by: [listShops],
    ask: (database) => listShops(database, { after: 'shop-1', limit: 21 }),
  }),
  {
    name: 'take units of a rate limit',
    by: [leaseUnits],
    as: 'holdfast',
    ask: (database) =>
      leaseUnits(database, { name: 'reads', caller: 'key:bench', units: 1, quota: 600, windowMs: 60_000 }),
  },
  {
    name: 'drop ended windows of limits',
    by: [dropEndedWindows],
    as: 'holdfast',
    ask: (database) => dropEndedWindows(database),
  },
];
