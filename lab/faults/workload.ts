/** The workload: what buyers do with their orders. */
import { setTimeout as delay } from 'node:timers/promises';
import { anyBasket, anyLines, anyMode } from './baskets.ts';
import type { Buyer } from './buyer.ts';
import type { Random } from '../../dev/random.ts';
import { PRICE, SCARCE_SKU, type Catalogue } from './catalogue.ts';
import { wantPartsBack } from './parts.ts';
import {
  changeAPayment,
  payByProviderAtTheLastMoment,
  payInParts,
  payTooLittle,
  payTooMuchAtOnce,
} from './payers.ts';

export interface Behaviour {
  name: string;
  /** Of a hundred buyers, this many. */
  share: number;
  act(buyer: Buyer, catalogue: Catalogue, signal: AbortSignal): Promise<void>;
}

const LONGEST_THOUGHT_MS = 1_000;
/** Before or after the deadline at most, so that payment and expiry meet. */
const LATE_BY_MS = 1_000;

export const LETS_EXPIRE: Behaviour = {
  name: 'lets it expire',
  share: 14,
  async act(buyer, catalogue) {
    await buyer.create(anyBasket(buyer.random, catalogue));
  },
};

/** An order that is paid in parts holds nothing of its wallet. */
const payer = (
  name: string,
  share: number,
  pay: (buyer: Buyer, signal: AbortSignal) => Promise<unknown>,
): Behaviour => ({
  name,
  share,
  async act(buyer, catalogue, signal) {
    if (await buyer.create({ ...anyBasket(buyer.random, catalogue), paymentMode: 'debit' }))
      await pay(buyer, signal);
  },
});

const PAYERS: readonly Behaviour[] = [
  payer('pays in parts', 10, payInParts),
  payer('pays in parts, and wants parts of the money back', 6, async (buyer, signal) => {
    if (await payInParts(buyer, signal)) await wantPartsBack(buyer);
  }),
  payer('pays too much at once', 3, payTooMuchAtOnce),
  payer('pays by provider at the last moment', 2, payByProviderAtTheLastMoment),
  payer('pays too little', 2, payTooLittle),
  payer('pays in parts and cancels at once', 2, async (buyer, signal) => {
    await Promise.all([payInParts(buyer, signal), think(buyer, signal).then(() => buyer.cancel())]);
  }),
  payer('changes a payment', 2, changeAPayment),
];

export const BEHAVIOURS: readonly Behaviour[] = [
  {
    name: 'pays',
    share: 14,
    async act(buyer, catalogue, signal) {
      if (!(await buyer.create(anyBasket(buyer.random, catalogue)))) return;
      await think(buyer, signal);
      await buyer.pay();
    },
  },
  {
    name: 'pays with the order',
    share: 8,
    async act(buyer, catalogue) {
      await buyer.createAndPay(anyBasket(buyer.random, catalogue));
    },
  },
  LETS_EXPIRE,
  {
    name: 'cancels',
    share: 7,
    async act(buyer, catalogue, signal) {
      if (!(await buyer.create(anyBasket(buyer.random, catalogue)))) return;
      await think(buyer, signal);
      await buyer.cancel();
    },
  },
  {
    name: 'pays, and wants the money back',
    share: 6,
    async act(buyer, catalogue, signal) {
      if (!(await buyer.create(anyBasket(buyer.random, catalogue)))) return;
      if ((await buyer.pay()) !== 200) return;
      await think(buyer, signal);
      await buyer.refundRest(buyer.random.chance(0.5));
    },
  },
  {
    name: 'pays, and wants parts of the money back',
    share: 10,
    async act(buyer, catalogue, signal) {
      if ((await buyer.createAndPay(anyBasket(buyer.random, catalogue))) !== 201) return;
      await think(buyer, signal);
      await wantPartsBack(buyer);
    },
  },
  {
    name: 'pays, and cancels after that',
    share: 3,
    async act(buyer, catalogue) {
      if (!(await buyer.create(anyBasket(buyer.random, catalogue)))) return;
      await buyer.pay();
      await buyer.cancel();
    },
  },
  {
    name: 'pays and cancels at once',
    share: 3,
    async act(buyer, catalogue) {
      if (!(await buyer.create(anyBasket(buyer.random, catalogue)))) return;
      await Promise.all([buyer.pay(), buyer.cancel()]);
    },
  },
  {
    name: 'pays at the last moment',
    share: 2,
    async act(buyer, catalogue, signal) {
      if (!(await buyer.create(anyBasket(buyer.random, catalogue)))) return;
      const wait = buyer.timeLeft() + buyer.random.between(-LATE_BY_MS, LATE_BY_MS);
      await delay(Math.max(wait, 0), undefined, { signal });
      await buyer.pay();
    },
  },
  {
    name: 'is short of money, and tops up',
    share: 3,
    async act(buyer, catalogue) {
      const { key } = buyer.history;
      const walletId = await catalogue.openWallet(`${key} wallet`, PRICE / 2);
      const lines = [{ sku: catalogue.anySku(buyer.random), quantity: 1 }];
      if (buyer.random.chance(0.5)) {
        if ((await buyer.createAndPay({ walletId, lines, paymentMode: 'debit' })) === 201) return;
      } else {
        if (!(await buyer.create({ walletId, lines, paymentMode: anyMode(buyer.random) }))) return;
        if ((await buyer.pay()) === 200) return;
      }
      await catalogue.topUp(walletId, `${key} top-up`, PRICE);
      await buyer.pay();
    },
  },
  {
    name: 'wants what is scarce',
    share: 3,
    async act(buyer, catalogue, signal) {
      const lines = [{ sku: SCARCE_SKU, quantity: 1 }, ...anyLines(buyer.random, catalogue, 1)];
      const walletId = catalogue.anyWallet(buyer.random);
      if (!(await buyer.create({ walletId, lines, paymentMode: anyMode(buyer.random) }))) return;
      await think(buyer, signal);
      if (buyer.random.chance(0.2)) await buyer.pay();
    },
  },
  ...PAYERS,
];

export function chooseBehaviour(random: Random): Behaviour {
  let left = random.between(0, 100);
  const chosen = BEHAVIOURS.find(({ share }) => (left -= share) < 0) ?? BEHAVIOURS[0];
  if (!chosen) throw new Error('Buyers do nothing.');
  return chosen;
}

async function think({ random }: Buyer, signal: AbortSignal): Promise<void> {
  await delay(random.between(0, LONGEST_THOUGHT_MS), undefined, { signal });
}
