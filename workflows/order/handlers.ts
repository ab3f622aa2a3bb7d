/** What the handlers of orders, refunds and payments share. */
import { ApplicationFailure, CancellationScope, condition } from '@temporalio/workflow';
import type { ByHandRefusal, Intervention } from '../../domain/attention.ts';
import type { RefusalReason } from '../../domain/order.ts';
import { TEXT, isText } from '../../domain/text.ts';

/** A handler's wait must outlive the Web UI's Cancel, or its caller would get that cancel instead of how the order ended. */
export const untilTrue = (isTrue: () => boolean): Promise<void> =>
  CancellationScope.nonCancellable(() => condition(isTrue));

/** For validators: refuses an update before anything is written to the history. */
export function refuse(reason: RefusalReason | ByHandRefusal, message: string): never {
  throw ApplicationFailure.create({ type: reason, message, nonRetryable: true });
}

/** The arguments come from a form or a command line: nothing has checked them. */
export function refuseUnsigned(by: Partial<Record<keyof Intervention, unknown>> | null | undefined): void {
  if (!isText(by?.actor, TEXT.actor))
    refuse('unsigned', `Say who you are, as \`actor\`: 1 to ${TEXT.actor.max} characters.`);
  if (!isText(by?.reason, TEXT.reason))
    refuse('unsigned', `Say why, as \`reason\`: 1 to ${TEXT.reason.max} characters.`);
}
