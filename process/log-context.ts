/** What a piece of work is about, on every line that is logged while it runs: from the HTTP request into the activity. */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface LogContext {
  /** Of the HTTP request that the work goes back to. */
  requestId?: string;
  orderId?: string;
  workflowId?: string;
  runId?: string;
  /** Of the activity. */
  activity?: string;
  attempt?: number;
}

const running = new AsyncLocalStorage<LogContext>();

/** Runs `work`, and names these in every line that it logs, besides those that are named already. */
export const withLogContext = <T>(context: LogContext, work: () => T): T =>
  running.run({ ...running.getStore(), ...context }, work);

/** Names one thing more from now on, for the work that runs: what it is about may only show on its way. */
export function addToLogContext(context: LogContext): void {
  Object.assign(running.getStore() ?? {}, context);
}

/** Empty outside of any work. */
export const currentLogContext = (): Readonly<LogContext> => running.getStore() ?? {};

/** For what one request happens to begin and all share: its lines name no request. */
export const withoutLogContext = <T>(work: () => T): T => running.exit(work);
