/** What buyers ask back of an order that they paid: parts that may come to more than there is. */
import type { Buyer } from './buyer.ts';

/** Of what was paid: three of these are more than all of it. */
const LARGEST_AMOUNT = 0.6;

/** Sends one to four refunds in part, at once or one after the other; after some, wants all that is left, or cancels. */
export async function wantPartsBack(buyer: Buyer): Promise<void> {
  const { random } = buyer;
  const parts = Array.from({ length: random.pick([1, 2, 3, 4]) }, () => choosePart(buyer));
  if (random.chance(0.5)) await Promise.all(parts.map((refund) => refund()));
  else for (const refund of parts) await refund();
  const then = random.pick(['nothing', 'nothing', 'rest', 'cancel']);
  if (then === 'rest') await buyer.refundRest(random.chance(0.5));
  if (then === 'cancel') await buyer.cancel();
}

function choosePart(buyer: Buyer): () => Promise<number> {
  const { random } = buyer;
  const { lines, total } = buyer.bought();
  if (random.chance(0.5)) {
    const amount = Math.ceil(total * random.between(0, LARGEST_AMOUNT));
    return () => buyer.refundAmount(Math.max(amount, 1));
  }
  const all = lines.map(({ sku, quantity }) => ({
    sku,
    quantity: Math.ceil(random.between(0, quantity)) || 1,
    restock: random.chance(0.5),
  }));
  const some = all.filter(() => random.chance(0.5));
  return () => buyer.refundLines(some.length > 0 ? some : all);
}
