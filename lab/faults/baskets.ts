/** What buyers put into their baskets. */
import type { Random } from '../../dev/random.ts';
import type { Basket } from './buyer.ts';
import type { Catalogue } from './catalogue.ts';

export const anyMode = (random: Random): Basket['paymentMode'] => random.pick(['debit', 'hold']);

export function anyBasket(random: Random, catalogue: Catalogue): Basket {
  const lines = anyLines(random, catalogue, random.pick([1, 1, 2, 3]));
  return {
    walletId: catalogue.anyWallet(random),
    lines,
    paymentMode: anyMode(random),
    ...(random.chance(0.3) && { adjustments: anyAdjustments(random, lines) }),
  };
}

/** Such that no unit of a line costs a whole number. */
function anyAdjustments(random: Random, [line]: Basket['lines']): NonNullable<Basket['adjustments']> {
  const discount = {
    kind: 'discount',
    label: 'Voucher',
    amount: -Math.ceil(random.between(1, 333)),
  } as const;
  const tax = { kind: 'tax', label: 'Tax', amount: Math.ceil(random.between(1, 777)) } as const;
  return [{ ...discount, ...(line && { sku: line.sku }) }, tax];
}

export function anyLines(random: Random, catalogue: Catalogue, count: number): Basket['lines'] {
  return Array.from({ length: count }, () => ({
    sku: catalogue.anySku(random),
    quantity: random.pick([1, 1, 2, 5]),
  }));
}
