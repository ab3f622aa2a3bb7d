/** Requests as a workflow would send them, for tests of single steps. */
import { v7 as uuidv7 } from 'uuid';
import type { PlacedOrder } from '../../db/steps/step.ts';

export const AT = '2026-01-01T10:00:00.000Z';
const DEADLINE = '2026-01-01T10:15:00.000Z';

export function anOrder(order: Pick<PlacedOrder, 'walletId' | 'lines'> & Partial<PlacedOrder>): PlacedOrder {
  return {
    orderId: uuidv7(),
    buyerId: 'buyer',
    paymentMode: 'debit',
    paymentDeadline: DEADLINE,
    at: AT,
    ...order,
  };
}

export const payment = (orderId: string) => ({ orderId, commandId: uuidv7(), at: AT });

export const releaseTo = (orderId: string, to: 'cancelled' | 'expired') => ({
  orderId,
  to,
  reason: 'test',
  commandId: null,
  at: AT,
});

export const refundOf = (orderId: string, restock: boolean) => ({
  orderId,
  reason: 'test',
  commandId: uuidv7(),
  restock,
  at: AT,
});
