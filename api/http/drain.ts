/** An HTTP server from its first to its last connection. */
import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { BODY_LIMITS } from './body.ts';
import { REQUEST_LIMIT_MS } from '../../domain/timeouts.ts';

/** Longer than a request may take, from its first byte to its last look at the servers: every caller gets an answer. */
export const DRAIN_LIMIT_MS = BODY_LIMITS.patience + REQUEST_LIMIT_MS + 5_000;

export interface Drain {
  /** Milliseconds in which connections are still taken, until whoever sends callers here has noticed. */
  noticeMs: number;
  /** Milliseconds that running requests then have at most. */
  graceMs?: number;
}

/** Keeps count of what a server is answering, so that it can be stopped without cutting a caller off. */
export function drainable(server: Server): { drain: (how: Drain) => Promise<void> } {
  const answering = new Set<ServerResponse>();
  let draining = false;
  server.prependListener('request', (_request, response: ServerResponse) => {
    // Node then says `Connection: close`, and closes it after the answer.
    if (draining) response.shouldKeepAlive = false;
    answering.add(response);
    response.once('close', () => answering.delete(response));
  });

  return {
    /** Resolves when every connection is closed: after its answer, or at the end of the grace. */
    async drain({ noticeMs, graceMs = DRAIN_LIMIT_MS }) {
      draining = true;
      for (const response of answering) response.shouldKeepAlive = false;
      await delay(noticeMs);
      const closed = once(server, 'close');
      server.close();
      // A kept-alive connection whose answer had begun before counts as open until it is found to be idle.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const end = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(end);
    },
  };
}
