/** How a long activity tells Temporal that it goes on, and learns that nobody waits for it any longer. */
import { asyncLocalStorage } from '@temporalio/activity';
import { HEARTBEAT_MS } from '../domain/timeouts.ts';

/**
 * Call it before anything that may take more than some seconds, well within `SILENT_FOR_MS`. Outside an activity it does nothing.
 * @throws when the activity was cancelled, so that it does not run alongside the next attempt.
 */
export function signOfLife(): void {
  const context = asyncLocalStorage.getStore();
  if (!context) return;
  context.heartbeat();
  context.cancellationSignal.throwIfAborted();
}

/**
 * Gives signs of life until the work ends. For work that cannot do so itself: one long statement.
 * @throws when the activity was cancelled, as by a worker that stops: the work is then left alone.
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
