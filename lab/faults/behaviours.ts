/** What buyers do with their orders. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Basket, Buyer, Line } from './buyer.ts';
import type { Random } from './random.ts';
import { PRICE, SCARCE_SKU, type Shop } from './shop.ts';

export interface Behaviour {
  name: string;
  /** How many of a hundred buyers. */
  share: number;
  act(buyer: Buyer, shop: Shop, signal: AbortSignal): Promise<void>;
}

const LONGEST_THOUGHT_MS = 1_000;
/** Around the deadline, so that payment and expiry meet. */
const LATE_BY_MS = 1_000;

export const BEHAVIOURS: readonly Behaviour[] = [
  {
    name: 'pays',
    share: 35,
    async act(buyer, shop, signal) {
      if (!(await buyer.create(basket(buyer.random, shop)))) return;
      await think(buyer, signal);
      await buyer.pay();
    },
  },
  {
    name: 'lets it expire',
    share: 20,
    async act(buyer, shop) {
      await buyer.create(basket(buyer.random, shop));
    },
  },
  {
    name: 'cancels',
    share: 12,
    async act(buyer, shop, signal) {
      if (!(await buyer.create(basket(buyer.random, shop)))) return;
      await think(buyer, signal);
      await buyer.cancel();
    },
  },
  {
    name: 'pays, and wants the money back',
    share: 12,
    async act(buyer, shop, signal) {
      if (!(await buyer.create(basket(buyer.random, shop)))) return;
      if ((await buyer.pay()) !== 200) return;
      await think(buyer, signal);
      await buyer.refund(buyer.random.chance(0.5));
    },
  },
  {
    name: 'pays, and cancels after that',
    share: 5,
    async act(buyer, shop) {
      if (!(await buyer.create(basket(buyer.random, shop)))) return;
      await buyer.pay();
      await buyer.cancel();
    },
  },
  {
    name: 'pays and cancels at once',
    share: 5,
    async act(buyer, shop) {
      if (!(await buyer.create(basket(buyer.random, shop)))) return;
      await Promise.all([buyer.pay(), buyer.cancel()]);
    },
  },
  {
    name: 'pays at the last moment',
    share: 3,
    async act(buyer, shop, signal) {
      if (!(await buyer.create(basket(buyer.random, shop)))) return;
      const wait = buyer.timeLeft() + buyer.random.between(-LATE_BY_MS, LATE_BY_MS);
      await delay(Math.max(wait, 0), undefined, { signal });
      await buyer.pay();
    },
  },
  {
    name: 'is short of money, and tops up',
    share: 4,
    async act(buyer, shop) {
      const { key } = buyer.story;
      const walletId = await shop.openWallet(`${key} wallet`, PRICE / 2);
      const lines = [{ sku: shop.anySku(buyer.random), quantity: 1 }];
      if (!(await buyer.create({ walletId, lines, paymentMode: modeOf(buyer.random) }))) return;
      if ((await buyer.pay()) === 200) return;
      await shop.topUp(walletId, `${key} top-up`, PRICE);
      await buyer.pay();
    },
  },
  {
    name: 'wants what is scarce',
    share: 4,
    async act(buyer, shop, signal) {
      const lines = [{ sku: SCARCE_SKU, quantity: 1 }, ...linesFrom(buyer.random, shop, 1)];
      const walletId = shop.anyWallet(buyer.random);
      if (!(await buyer.create({ walletId, lines, paymentMode: modeOf(buyer.random) }))) return;
      await think(buyer, signal);
      if (buyer.random.chance(0.2)) await buyer.pay();
    },
  },
];

export function chooseBehaviour(random: Random): Behaviour {
  let place = random.between(0, 100);
  const chosen = BEHAVIOURS.find(({ share }) => (place -= share) < 0) ?? BEHAVIOURS[0];
  if (!chosen) throw new Error('Buyers do nothing.');
  return chosen;
}

const modeOf = (random: Random): Basket['paymentMode'] => random.pick(['debit', 'hold']);

function basket(random: Random, shop: Shop): Basket {
  return {
    walletId: shop.anyWallet(random),
    lines: linesFrom(random, shop, random.pick([1, 1, 2, 3])),
    paymentMode: modeOf(random),
  };
}

function linesFrom(random: Random, shop: Shop, count: number): Line[] {
  return Array.from({ length: count }, () => ({
    sku: shop.anySku(random),
    quantity: random.pick([1, 1, 2, 5]),
  }));
}

async function think({ random }: Buyer, signal: AbortSignal): Promise<void> {
  await delay(random.between(0, LONGEST_THOUGHT_MS), undefined, { signal });
}
