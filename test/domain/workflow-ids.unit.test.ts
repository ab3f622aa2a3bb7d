/** A workflow is found by its id, and its id says what it is about: also that of a refund from before refunds had ids of their own. */
import { expect, test } from 'vitest';
import { orderWorkflowId, readWorkflowId, refundWorkflowId } from '../../domain/workflow-ids.ts';

const ORDER = '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a44';
const COMMAND = '01976f2e-8d4b-7c11-9a53-2f1d7c0e6a45';

test('the ids of an order and of its one refund of 0.7 are those that are in histories', () => {
  expect(orderWorkflowId(ORDER)).toBe(`order-${ORDER}`);
  expect(refundWorkflowId(ORDER, null)).toBe(`refund-${ORDER}`);
});

test.each([
  [orderWorkflowId(ORDER), { kind: 'order', orderId: ORDER, commandId: null }],
  [refundWorkflowId(ORDER, null), { kind: 'refund', orderId: ORDER, commandId: null }],
  [refundWorkflowId(ORDER, COMMAND), { kind: 'refund', orderId: ORDER, commandId: COMMAND }],
  ['order-1', undefined],
  [`refund-${ORDER}-1`, undefined],
  [`order-${ORDER}-${COMMAND}`, undefined],
  [`webhook-${ORDER}`, undefined],
])('the id %s says what its workflow is about', (workflowId, subject) => {
  expect(readWorkflowId(workflowId)).toEqual(subject);
});
