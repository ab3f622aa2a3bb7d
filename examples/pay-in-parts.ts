/** An order that is paid by the buyer's wallet and a payment provider together, and what a program does when the provider declines. */
import { createHoldfast, isProblem } from '@holdfast/client';

const holdfast = createHoldfast({
  address: process.env['HOLDFAST_ADDRESS'] ?? 'http://127.0.0.1:3000',
  key: process.env['HOLDFAST_KEY'] ?? '',
});

// A shop that runs this again means the same basket: with the same keys, nobody pays twice.
const basket = process.argv[2] ?? 'basket-of-jugs';
const buyerId = 'buyer-7';
const sku = 'example-jug';

await holdfast.putSku(sku, { name: 'Jug', price: { amount: 2490, currency: 'EUR' } });
await holdfast.restockSku(sku, { quantity: 10 }, { idempotencyKey: `${basket}/restock` });
const wallet = await holdfast.createWallet(
  { ownerId: buyerId, currency: 'EUR' },
  { idempotencyKey: `${basket}/wallet` },
);
await holdfast.depositIntoWallet(wallet.id, { amount: 1000 }, { idempotencyKey: `${basket}/deposit` });
const order = await holdfast.createOrder(
  { buyerId, walletId: wallet.id, lines: [{ sku, quantity: 1 }] },
  { idempotencyKey: `${basket}/order` },
);

const part = await holdfast.addPayment(
  order.id,
  { method: 'wallet', amount: 1000 },
  { idempotencyKey: `${basket}/from the wallet` },
);
console.log(`${part.amount} of ${order.total?.amount} come from the wallet.`);

/** The rest, with what the provider's page gave for the card. Each card that is tried is another intent, with another key. */
const payWith = (source: string) =>
  holdfast.addPayment(
    order.id,
    { method: 'provider', source },
    { idempotencyKey: `${basket}/with ${source}` },
  );
try {
  await payWith('declined');
} catch (error) {
  if (!isProblem(error, 'payment_declined')) throw error;
  console.log('The first card is declined: the buyer takes another one.');
}
const rest = await payWith('ok');
console.log(`${rest.amount} come through the provider.`);

// The answer to a payment may be that it is not known yet: the order's events say when it is paid.
for await (const { type } of holdfast.stream(order.id)) {
  console.log(type);
  if (type === 'order.paid') break;
}

await holdfast.refundOrder(
  order.id,
  { reason: 'arrived chipped', amount: 2000 },
  { idempotencyKey: `${basket}/refund` },
);
for await (const refund of holdfast.iterateOrderRefunds(order.id))
  for (const { paymentId, amount } of refund.payments)
    console.log(`${amount} go back to ${paymentId === rest.id ? 'the card' : 'the wallet'}.`);
