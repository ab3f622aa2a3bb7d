/** An order and a refund always start with the same input and options, whichever code starts them. */
import { expect, test } from 'vitest';
import { orderStart, refundStart, toNewOrder, type NewOrder, type StartPolicy } from '../../client/start.ts';
import { ORDER_RULES } from '../../workflows/messages.ts';

const policy: StartPolicy = {
  taskQueue: 'orders',
  whileRunning: 'FAIL',
  afterEnd: 'ALLOW_DUPLICATE',
  isSearchable: true,
};
const owner = { shopId: 'main', buyerId: 'alice' };
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
  const unsearchable = { ...policy, isSearchable: false };
  expect(orderStart(toNewOrder(recorded), unsearchable)).toEqual({
    ...orderStart(order, unsearchable),
    args: [{ ...order, deadline: '2026-11-25T12:15:00.000Z', rules: ORDER_RULES }],
  });
  expect(orderStart(toNewOrder(recorded), policy).typedSearchAttributes).toContainEqual({
    key: { name: 'HoldfastDeadline', type: 'DATETIME' },
    value: paymentDeadline,
  });
  const [ofShop] = orderStart(toNewOrder({ ...recorded, shopId: 'cafe' }), policy).args;
  expect(ofShop).toMatchObject({ ...order, shopId: 'cafe' });
});

test('an order starts with all that it is searched by: its shop, its buyer, its stage and its deadline', () => {
  const before = Date.now();
  const { typedSearchAttributes = [] } = orderStart(order, policy);
  const [shop, buyer, stage, deadline] = typedSearchAttributes;
  expect([shop, buyer, stage]).toEqual([
    { key: { name: 'HoldfastShop', type: 'KEYWORD' }, value: 'main' },
    { key: { name: 'HoldfastBuyer', type: 'KEYWORD' }, value: 'alice' },
    { key: { name: 'HoldfastStage', type: 'KEYWORD' }, value: 'awaiting_payment' },
  ]);
  const until = deadline?.value instanceof Date ? deadline.value.getTime() : 0;
  expect(until).toBeGreaterThanOrEqual(before + order.paymentWindow);
  expect(until).toBeLessThanOrEqual(Date.now() + order.paymentWindow);
});

test('a workflow has the address of the runbook in its input exactly when its deployment serves one', () => {
  const runbook = 'https://desk.example/ops/runbook';
  const refund = { orderId: '1', commandId: null, reason: 'broken', restock: true };
  expect(orderStart(order, { ...policy, runbook }).args).toEqual([{ ...order, rules: ORDER_RULES, runbook }]);
  expect(refundStart(refund, owner, { ...policy, runbook }).args).toEqual([{ ...refund, runbook }]);
  expect(refundStart(refund, owner, policy).args).toEqual([refund]);
});

test('the start of an order or a refund says in the Web UI what it is for, or why it was started again', () => {
  expect(orderStart(order, policy).staticSummary).toBe('1 line for buyer alice, hold');
  expect(orderStart({ ...order, shopId: 'main' }, policy).staticSummary).toBe('1 line for buyer alice, hold');
  expect(orderStart({ ...order, shopId: 'cafe' }, policy).staticSummary).toBe(
    '1 line of shop cafe for buyer alice, hold',
  );
  const refund = { orderId: '1', commandId: null, reason: 'broken', restock: true };
  expect(refundStart(refund, owner, policy).staticSummary).toBe('Refund and restock');
  expect(refundStart({ ...refund, restock: false }, owner, policy).staticSummary).toBe('Refund');
  const part = { ...refund, restock: false };
  expect(refundStart({ ...part, amount: 250 }, owner, policy).staticSummary).toBe(
    'Refund of 250 in minor units',
  );
  const lines = [
    { sku: 'A', quantity: 2, restock: true },
    { sku: 'B', quantity: 1, restock: false },
  ];
  expect(refundStart({ ...part, lines }, owner, policy).staticSummary).toBe('Refund of 3 units, 2 restocked');
  const [first, second] = [lines.slice(0, 1), lines.slice(1)];
  expect(refundStart({ ...part, lines: first }, owner, policy).staticSummary).toBe(
    'Refund of 2 units, all restocked',
  );
  expect(refundStart({ ...part, lines: second }, owner, policy).staticSummary).toBe('Refund of 1 unit');
  const summary = 'Started again by reconciliation';
  expect(orderStart(order, { ...policy, summary }).staticSummary).toBe(summary);
  expect(refundStart(refund, owner, { ...policy, summary }).staticSummary).toBe(summary);
});

test('the summary of an order fits the 400 bytes of the Web UI whatever its buyer is called', () => {
  const shopId = 's'.repeat(63);
  for (const buyerId of ['b'.repeat(200), '\u{1f6d2}'.repeat(100), `${'b'.repeat(39)}\u{1f6d2}`]) {
    const { staticSummary } = orderStart({ ...order, shopId, buyerId }, policy);
    expect(Buffer.byteLength(staticSummary)).toBeLessThanOrEqual(400);
    expect(staticSummary.isWellFormed()).toBe(true);
  }
});
