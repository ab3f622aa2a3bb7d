/** Which orders a batch is about. */
import { isProblem, type Holdfast, type Order } from '@holdfast/client';
import type { AttentionReason } from '../../domain/attention.ts';
import type { Step } from '../../domain/order.ts';
import type { RestingStage } from '../../domain/stages.ts';
import { UserError } from '../../cli/user-error.ts';
import { describeMark, describeOrder } from './describe.ts';

export interface Filter {
  reasonCode?: AttentionReason | undefined;
  step?: Step | undefined;
  stage?: RestingStage | undefined;
  buyer?: string | undefined;
  /** In milliseconds. */
  olderThan?: number | undefined;
}

export interface Target {
  orderId: string;
  /** Known of a mark. */
  shopId?: string;
  workflowId?: string;
  /** The step that keeps failing. */
  step?: Step;
  /** What a dry run shows of it. */
  line: string;
}

const PAGE = 100;

export const isEmpty = ({ reasonCode, step, stage, buyer, olderThan }: Filter): boolean =>
  [reasonCode, step, stage, buyer, olderThan].every((given) => given === undefined);

/** Orders that need a person, oldest mark first. An order may have several marks: its refunds have their own. */
export async function* findMarked(holdfast: Holdfast, filter: Filter): AsyncGenerator<Target> {
  const { reasonCode, step, stage, buyer, olderThan } = filter;
  for await (const mark of holdfast.iterateAttention({ limit: PAGE })) {
    if (reasonCode !== undefined && mark.reason !== reasonCode) continue;
    if (step !== undefined && mark.step !== step) continue;
    if (!isOlder(mark.raisedAt, olderThan)) continue;
    if (stage !== undefined || buyer !== undefined) {
      const order = await findOrder(holdfast, mark.orderId);
      if (stage !== undefined && order?.stage !== stage) continue;
      if (buyer !== undefined && order?.buyerId !== buyer) continue;
    }
    const { orderId, shopId, workflowId } = mark;
    yield { orderId, shopId, workflowId, step: mark.step, line: describeMark(mark) };
  }
}

/**
 * Orders that await payment: those with a mark, when the filter is about marks, and otherwise all of them, newest first.
 * @throws {UserError} when the filter is about orders that wait for nothing.
 */
export async function* findWaiting(holdfast: Holdfast, filter: Filter): AsyncGenerator<Target> {
  const { reasonCode, step, stage = 'awaiting_payment', buyer, olderThan } = filter;
  if (stage !== 'awaiting_payment')
    throw new UserError(
      `An order that is ${stage} has no deadline to put off, and is not cancelled in a batch.`,
    );
  if (reasonCode !== undefined || step !== undefined) {
    yield* findMarked(holdfast, { ...filter, stage });
    return;
  }
  const query = { limit: PAGE, stage, ...(buyer !== undefined && { buyerId: buyer }) };
  for await (const order of holdfast.iterateOrders(query))
    if (isOlder(order.createdAt, olderThan)) yield { orderId: order.id, line: describeOrder(order) };
}

/** Undefined for an order that is not recorded because its reservation keeps failing. */
async function findOrder(holdfast: Holdfast, id: string): Promise<Order | undefined> {
  try {
    return await holdfast.getOrder(id);
  } catch (error) {
    if (isProblem(error, 'not_found')) return undefined;
    throw error;
  }
}

const isOlder = (instant: string, olderThan: number | undefined): boolean =>
  olderThan === undefined || Date.now() - Date.parse(instant) >= olderThan;
