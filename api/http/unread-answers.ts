/** Cuts off callers who do not read their answers: each would keep an answer in memory, and a connection, for as long as it likes. */
import type { Server, ServerResponse } from 'node:http';
import type { Logger } from 'pino';

/** Milliseconds that an answer may wait for its reader. The largest, the script of the page at /docs, needs 0.4 Mbit/s. */
export const READ_PATIENCE_MS = 30_000;
const CHECKS_IN_PATIENCE = 30;

/**
 * What counts is how long bytes have been waiting without a pause, and not whether any were read lately: a caller who reads one byte a
 * second is as slow as one who reads none.
 */
export function cutOffUnread(server: Server, logger: Logger, patience: number): void {
  /** Since when each unfinished answer has had bytes waiting; null if it has none. */
  const unfinished = new Map<ServerResponse, number | null>();
  server.on('request', (_request, response) => {
    unfinished.set(response, null);
    response.once('close', () => unfinished.delete(response));
  });
  const checks = setInterval(check, patience / CHECKS_IN_PATIENCE).unref();
  server.once('close', () => clearInterval(checks));

  function check(): void {
    const now = performance.now();
    for (const [response, since] of unfinished) {
      if (response.writableLength === 0) unfinished.set(response, null);
      else if (since === null) unfinished.set(response, now);
      else if (now - since >= patience) {
        logger.debug({ bytes: response.writableLength }, 'cut off a caller who did not read the answer');
        response.socket?.destroy();
      }
    }
  }
}
