/** An order from its place to its refund, in two parts, and what a program does with a refusal. */
import { createHoldfast, isProblem } from '@holdfast/client';

const holdfast = createHoldfast({
  address: process.env['HOLDFAST_ADDRESS'] ?? 'http://127.0.0.1:3000',
  key: process.env['HOLDFAST_KEY'] ?? '',
});

// A shop that runs this again means the same basket: with the same keys, nothing happens twice.
const basket = process.argv[2] ?? 'basket-of-mugs';
const buyerId = 'buyer-7';
const sku = 'example-mug';

await holdfast.putSku(sku, { name: 'Mug', price: { amount: 1290, currency: 'EUR' } });
await holdfast.restockSku(sku, { quantity: 10 }, { idempotencyKey: `${basket}/restock` });
const wallet = await holdfast.createWallet(
  { ownerId: buyerId, currency: 'EUR' },
  { idempotencyKey: `${basket}/wallet` },
);

const order = await holdfast.createOrder(
  { buyerId, walletId: wallet.id, lines: [{ sku, quantity: 2 }] },
  { idempotencyKey: `${basket}/order` },
);
console.log(`${order.id} waits for payment until ${order.paymentDeadline}.`);

try {
  await holdfast.payOrder(order.id, { idempotencyKey: `${basket}/payment` });
} catch (error) {
  // Refused for a reason that is known: every other error is passed on.
  if (!isProblem(error, 'insufficient_funds')) throw error;
  console.log(
    'The wallet is empty: the buyer deposits, and pays again. That is a new intent, with a new key.',
  );
  await holdfast.depositIntoWallet(wallet.id, { amount: 5000 }, { idempotencyKey: `${basket}/deposit` });
  await holdfast.payOrder(order.id, { idempotencyKey: `${basket}/second payment` });
}

const part = await holdfast.refundOrder(
  order.id,
  { reason: 'arrived broken', lines: [{ sku, quantity: 1, restock: false }] },
  { idempotencyKey: `${basket}/first refund` },
);
console.log(
  `One mug was broken: ${part.refunded} of ${part.total?.amount} is returned, and the order is ${part.stage}.`,
);
const rest = await holdfast.refundOrder(
  order.id,
  { reason: 'not wanted any more', restock: true },
  { idempotencyKey: `${basket}/second refund` },
);
console.log(`The other one too: the order is ${rest.stage}.`);

for await (const entry of holdfast.iterateWalletEntries(wallet.id))
  console.log(`${entry.kind} ${entry.amount}, then ${entry.postedAfter}`);
