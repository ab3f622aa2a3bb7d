/** Stops an HTTP server without cutting a caller off. */
import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { REQUEST_LIMIT_MS } from '../../domain/timeouts.ts';
import { BODY_LIMITS } from './body.ts';

/** Longer than a request may take, from its first byte to the last check of the servers, so that every caller gets an answer. */
export const DRAIN_LIMIT_MS = BODY_LIMITS.patience + REQUEST_LIMIT_MS + 5_000;

export interface Drain {
  /** How many milliseconds connections are still accepted, so that load balancers can notice. */
  noticeMs: number;
  /** How many milliseconds running requests then have at most. */
  graceMs?: number;
}

/** Keeps track of the requests that a server is answering, so that it can be drained. */
export function makeDrainable(server: Server): { drain: (how: Drain) => Promise<void> } {
  const answering = new Set<ServerResponse>();
  let draining = false;
  server.prependListener('request', (_request, response: ServerResponse) => {
    // Node then sends `Connection: close` and closes the connection after the answer.
    if (draining) response.shouldKeepAlive = false;
    answering.add(response);
    response.once('close', () => answering.delete(response));
  });

  return {
    /** Resolves when every connection is closed, either after its answer or at the end of the grace period. */
    async drain({ noticeMs, graceMs = DRAIN_LIMIT_MS }) {
      draining = true;
      for (const response of answering) response.shouldKeepAlive = false;
      await delay(noticeMs);
      const closed = once(server, 'close');
      server.close();
      // A kept-alive connection whose answer had already begun stays open until it is found to be idle.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const end = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(end);
    },
  };
}
