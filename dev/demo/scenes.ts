/** One short scene for each way in which an order can end. */
import { DEMO_SKUS } from './catalogue.ts';
import type { Narrator } from './narrator.ts';

export interface Scene {
  title: string;
  play: (demo: Narrator) => Promise<void>;
}

const [{ sku: mug }, { sku: tea }, { sku: teapot }] = DEMO_SKUS;

/** The payment window must be short, because the last scene waits for its end. */
export const SCENES: readonly Scene[] = [
  {
    title: 'Paid: the money is taken when the buyer pays',
    async play(demo) {
      const wallet = await demo.openWallet('ada', 10_000);
      const order = await demo.place(wallet, { sku: mug, quantity: 2 });
      await demo.pay(order);
      await demo.showBalance(wallet);
      await demo.showStages(order);
    },
  },
  {
    title: 'Paid in hold mode: the money is held together with the units, and captured when the buyer pays',
    async play(demo) {
      const wallet = await demo.openWallet('ben', 10_000);
      const order = await demo.place(wallet, { sku: tea, quantity: 1 }, 'hold');
      await demo.showBalance(wallet);
      await demo.pay(order);
      await demo.showBalance(wallet);
      await demo.showStages(order);
    },
  },
  {
    title: 'Refused for lack of money, topped up, and paid at the second attempt',
    async play(demo) {
      const wallet = await demo.openWallet('cem', 500);
      const order = await demo.place(wallet, { sku: mug, quantity: 1 });
      await demo.pay(order);
      await demo.topUp(wallet, 1_000);
      await demo.pay(order);
      await demo.showBalance(wallet);
      await demo.showStages(order);
    },
  },
  {
    title: 'Rejected: out of stock',
    async play(demo) {
      const wallet = await demo.openWallet('dana', 1_000_000);
      await demo.showStock(teapot);
      const order = await demo.place(wallet, { sku: teapot, quantity: (await demo.available(teapot)) + 1 });
      await demo.showStock(teapot);
      await demo.showBalance(wallet);
      await demo.showStages(order);
    },
  },
  {
    title: 'Cancelled before it was paid',
    async play(demo) {
      const wallet = await demo.openWallet('eli', 10_000);
      const order = await demo.place(wallet, { sku: tea, quantity: 3 }, 'hold');
      await demo.showStock(tea);
      await demo.showBalance(wallet);
      await demo.cancel(order, 'changed my mind');
      await demo.showStock(tea);
      await demo.showBalance(wallet);
      await demo.showStages(order);
    },
  },
  {
    title: 'Cancelled after it was paid: refunded',
    async play(demo) {
      const wallet = await demo.openWallet('fay', 10_000);
      const order = await demo.place(wallet, { sku: mug, quantity: 1 });
      await demo.pay(order);
      await demo.showBalance(wallet);
      await demo.cancel(order, 'arrived too late');
      await demo.showBalance(wallet);
      await demo.showStages(order);
    },
  },
  {
    title: 'Paid and refunded, with the units back on hand',
    async play(demo) {
      const wallet = await demo.openWallet('gil', 10_000);
      await demo.showStock(mug);
      const order = await demo.place(wallet, { sku: mug, quantity: 2 });
      await demo.pay(order);
      await demo.showStock(mug);
      await demo.refund(order, 'wrong colour', true);
      await demo.showStock(mug);
      await demo.showBalance(wallet);
      await demo.showStages(order);
    },
  },
  {
    title: 'Expired: not paid in time',
    async play(demo) {
      const wallet = await demo.openWallet('hua', 10_000);
      const order = await demo.place(wallet, { sku: mug, quantity: 4 });
      await demo.showStock(mug);
      await demo.untilExpired(order);
      await demo.showStock(mug);
      await demo.pay(order);
      await demo.showStages(order);
    },
  },
];

/** The units that all scenes take together. */
export const NEEDED: readonly { sku: string; quantity: number }[] = [
  { sku: mug, quantity: 10 },
  { sku: tea, quantity: 5 },
];
