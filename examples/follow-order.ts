/** Shows the stages of an order as they happen, as the page of a shop does: `follow-order.ts [order id]`. */
import { createHoldfast } from '@holdfast/client';

const holdfast = createHoldfast({
  address: process.env['HOLDFAST_ADDRESS'] ?? 'http://127.0.0.1:3000',
  key: process.env['HOLDFAST_KEY'] ?? '',
});

/** An order that the buyer thinks better of after a moment. */
async function placeOne(): Promise<string> {
  await holdfast.putSku('example-bowl', { name: 'Bowl', price: { amount: 1490, currency: 'EUR' } });
  await holdfast.restockSku('example-bowl', { quantity: 10 });
  const wallet = await holdfast.createWallet({ ownerId: 'buyer-7', currency: 'EUR' });
  const order = await holdfast.createOrder({
    buyerId: 'buyer-7',
    walletId: wallet.id,
    lines: [{ sku: 'example-bowl', quantity: 1 }],
  });
  setTimeout(() => void holdfast.cancelOrder(order.id, { reason: 'changed my mind' }), 500);
  return order.id;
}

const orderId = process.argv[2] ?? (await placeOne());
for await (const { id, data } of holdfast.stream(orderId))
  console.log(`${id}: ${data.stage}${data.reason === undefined ? '' : ` (${data.reason})`}`);
console.log('Nothing more will happen to it.');
