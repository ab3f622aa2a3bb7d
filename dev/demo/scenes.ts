/** One short play for each way in which an order can end. */
import { DEMO_SKUS } from './catalogue.ts';
import type { Shop } from './shop.ts';

export interface Scene {
  title: string;
  play: (shop: Shop) => Promise<void>;
}

const [{ sku: mug }, { sku: tea }, { sku: teapot }] = DEMO_SKUS;

/** The window to pay must be short, or the last one takes its time. */
export const SCENES: readonly Scene[] = [
  {
    title: 'Paid: the money is taken when the buyer pays',
    async play(shop) {
      const wallet = await shop.openWallet('ada', 10_000);
      const order = await shop.place(wallet, { sku: mug, quantity: 2 });
      await shop.pay(order);
      await shop.showBalance(wallet);
      await shop.showLife(order);
    },
  },
  {
    title: 'Paid in hold mode: the money is held together with the units, and captured when the buyer pays',
    async play(shop) {
      const wallet = await shop.openWallet('ben', 10_000);
      const order = await shop.place(wallet, { sku: tea, quantity: 1 }, 'hold');
      await shop.showBalance(wallet);
      await shop.pay(order);
      await shop.showBalance(wallet);
      await shop.showLife(order);
    },
  },
  {
    title: 'Refused for want of money, topped up, and paid at the second try',
    async play(shop) {
      const wallet = await shop.openWallet('cem', 500);
      const order = await shop.place(wallet, { sku: mug, quantity: 1 });
      await shop.pay(order);
      await shop.topUp(wallet, 1_000);
      await shop.pay(order);
      await shop.showBalance(wallet);
      await shop.showLife(order);
    },
  },
  {
    title: 'Rejected: out of stock',
    async play(shop) {
      const wallet = await shop.openWallet('dana', 1_000_000);
      await shop.showStock(teapot);
      const order = await shop.place(wallet, { sku: teapot, quantity: (await shop.available(teapot)) + 1 });
      await shop.showStock(teapot);
      await shop.showBalance(wallet);
      await shop.showLife(order);
    },
  },
  {
    title: 'Cancelled before it was paid',
    async play(shop) {
      const wallet = await shop.openWallet('eli', 10_000);
      const order = await shop.place(wallet, { sku: tea, quantity: 3 }, 'hold');
      await shop.showStock(tea);
      await shop.showBalance(wallet);
      await shop.cancel(order, 'changed my mind');
      await shop.showStock(tea);
      await shop.showBalance(wallet);
      await shop.showLife(order);
    },
  },
  {
    title: 'Cancelled after it was paid: refunded',
    async play(shop) {
      const wallet = await shop.openWallet('fay', 10_000);
      const order = await shop.place(wallet, { sku: mug, quantity: 1 });
      await shop.pay(order);
      await shop.showBalance(wallet);
      await shop.cancel(order, 'arrived too late');
      await shop.showBalance(wallet);
      await shop.showLife(order);
    },
  },
  {
    title: 'Paid and refunded, with the units back on hand',
    async play(shop) {
      const wallet = await shop.openWallet('gil', 10_000);
      await shop.showStock(mug);
      const order = await shop.place(wallet, { sku: mug, quantity: 2 });
      await shop.pay(order);
      await shop.showStock(mug);
      await shop.refund(order, 'wrong colour', true);
      await shop.showStock(mug);
      await shop.showBalance(wallet);
      await shop.showLife(order);
    },
  },
  {
    title: 'Expired: not paid in time',
    async play(shop) {
      const wallet = await shop.openWallet('hua', 10_000);
      const order = await shop.place(wallet, { sku: mug, quantity: 4 });
      await shop.showStock(mug);
      await shop.untilExpired(order);
      await shop.showStock(mug);
      await shop.pay(order);
      await shop.showLife(order);
    },
  },
];

/** What all of them together take from the shelf. */
export const NEEDED: readonly { sku: string; quantity: number }[] = [
  { sku: mug, quantity: 10 },
  { sku: tea, quantity: 5 },
];
