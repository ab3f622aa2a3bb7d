/** An order and a refund always start with the same input and options, whichever code starts them. */
import { expect, test } from 'vitest';
import { orderStart, refundStart, toNewOrder, type NewOrder, type StartPolicy } from '../../client/start.ts';
import { ORDER_RULES } from '../../workflows/messages.ts';

const policy: StartPolicy = { taskQueue: 'orders', whileRunning: 'FAIL', afterEnd: 'ALLOW_DUPLICATE' };
const order: NewOrder = {
  orderId: '1',
  buyerId: 'alice',
  walletId: 'w',
  paymentMode: 'hold',
  lines: [{ sku: 'book', quantity: 2 }],
  paymentWindow: 900_000,
};

test('an order that is started again has the input of its first start and the deadline that its caller was given', () => {
  const createdAt = new Date('2026-11-25T12:00:00Z');
  const paymentDeadline = new Date('2026-11-25T12:15:00Z');
  const { orderId: id, buyerId, walletId, paymentMode, lines } = order;
  const recorded = { id, buyerId, walletId, paymentMode, lines, createdAt, paymentDeadline };
  expect(orderStart(toNewOrder(recorded), policy)).toEqual({
    ...orderStart(order, policy),
    args: [{ ...order, deadline: '2026-11-25T12:15:00.000Z', rules: ORDER_RULES }],
  });
  const [ofShop] = orderStart(toNewOrder({ ...recorded, shopId: 'cafe' }), policy).args;
  expect(ofShop).toMatchObject({ ...order, shopId: 'cafe' });
});

test('the start of an order or a refund says in the Web UI what it is for, or why it was started again', () => {
  expect(orderStart(order, policy).staticSummary).toBe('1 line for buyer alice, hold');
  expect(orderStart({ ...order, shopId: 'main' }, policy).staticSummary).toBe('1 line for buyer alice, hold');
  expect(orderStart({ ...order, shopId: 'cafe' }, policy).staticSummary).toBe(
    '1 line of shop cafe for buyer alice, hold',
  );
  const refund = { orderId: '1', commandId: null, reason: 'broken', restock: true };
  expect(refundStart(refund, policy).staticSummary).toBe('Refund and restock');
  expect(refundStart({ ...refund, restock: false }, policy).staticSummary).toBe('Refund');
  const part = { ...refund, restock: false };
  expect(refundStart({ ...part, amount: 250 }, policy).staticSummary).toBe('Refund of 250 in minor units');
  const lines = [
    { sku: 'A', quantity: 2, restock: true },
    { sku: 'B', quantity: 1, restock: false },
  ];
  expect(refundStart({ ...part, lines }, policy).staticSummary).toBe('Refund of 3 units, 2 restocked');
  const [first, second] = [lines.slice(0, 1), lines.slice(1)];
  expect(refundStart({ ...part, lines: first }, policy).staticSummary).toBe(
    'Refund of 2 units, all restocked',
  );
  expect(refundStart({ ...part, lines: second }, policy).staticSummary).toBe('Refund of 1 unit');
  const summary = 'Started again by reconciliation';
  expect(orderStart(order, { ...policy, summary }).staticSummary).toBe(summary);
  expect(refundStart(refund, { ...policy, summary }).staticSummary).toBe(summary);
});

test('the summary of an order fits the 400 bytes of the Web UI whatever its buyer is called', () => {
  const shopId = 's'.repeat(63);
  for (const buyerId of ['b'.repeat(200), '\u{1f6d2}'.repeat(100), `${'b'.repeat(39)}\u{1f6d2}`]) {
    const { staticSummary } = orderStart({ ...order, shopId, buyerId }, policy);
    expect(Buffer.byteLength(staticSummary)).toBeLessThanOrEqual(400);
    expect(staticSummary.isWellFormed()).toBe(true);
  }
});
