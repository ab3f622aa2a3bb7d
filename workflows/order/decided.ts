/** Whether a command that ends an order can be answered. */
import { waitsVisibly } from './retry-and-attention.ts';
import type { OrderState } from './state.ts';

/** A refund may have to wait for room in the wallet for months. */
export const isDecided = (state: OrderState): boolean => state.phase === 'over' || waitsVisibly(state.health);
