/** What the handlers of an order and of its refund share. */
import { ApplicationFailure, CancellationScope, condition } from '@temporalio/workflow';
import type { ByHandRefusal } from '../../domain/attention.ts';
import type { RefusalReason } from '../../domain/order.ts';

/** A handler's wait must outlive the Web UI's Cancel, or its caller would get that cancel instead of how the order ended. */
export const untilTrue = (isTrue: () => boolean): Promise<void> =>
  CancellationScope.nonCancellable(() => condition(isTrue));

/** For validators: refuses an update before anything is written to the history. */
export function refuse(reason: RefusalReason | ByHandRefusal, message: string): never {
  throw ApplicationFailure.create({ type: reason, message, nonRetryable: true });
}
