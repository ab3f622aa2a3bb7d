/** Asks Temporal with a deadline: without one, a call to a silent server waits forever. */
import type { Client } from '@temporalio/client';

const TEMPORAL_MS = 5_000;
/** Long enough for a worker that must replay the order first. */
const WORKER_MS = 3_000;

/** Asks Temporal itself. */
export const askTemporal = <T>(client: Client, question: () => Promise<T>): Promise<T> =>
  client.withDeadline(Date.now() + TEMPORAL_MS, question);

/** Asks a workflow, which a worker answers. */
export const askWorkflow = <T>(client: Client, question: () => Promise<T>): Promise<T> =>
  client.withDeadline(Date.now() + WORKER_MS, question);
