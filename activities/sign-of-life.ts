/** How an activity that takes long tells Temporal that it goes on, and hears that nobody waits for it any more. */
import { asyncLocalStorage } from '@temporalio/activity';
import { SILENT_FOR_MS } from '../domain/timeouts.ts';

const HEARTBEAT_MS = SILENT_FOR_MS / 6;

/**
 * To be called before whatever may take more than some seconds, well within {@link SILENT_FOR_MS}. Outside of an activity nobody listens, and it does nothing.
 * @throws when the activity was cancelled, so that it does not run on beside the attempt that follows.
 */
export function signOfLife(): void {
  const context = asyncLocalStorage.getStore();
  if (!context) return;
  context.heartbeat();
  context.cancellationSignal.throwIfAborted();
}

/**
 * Gives signs of life until the work ends. For what cannot do so itself: one long statement.
 * @throws when the activity was cancelled, as a worker that stops does: the work is then left alone.
 */
export async function whileAlive<T>(work: Promise<T>): Promise<T> {
  const context = asyncLocalStorage.getStore();
  const timer = setInterval(() => context?.heartbeat(), HEARTBEAT_MS);
  try {
    return await (context ? Promise.race([work, context.cancelled]) : work);
  } finally {
    clearInterval(timer);
  }
}
