/** An HTTP server from its first to its last connection. */
import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { BODY_LIMITS } from './body.ts';
import { REQUEST_LIMIT_MS } from '../domain/timeouts.ts';

/** Says what stands in the way of listening, for the person who starts the server. */
export class ListenError extends Error {
  override name = 'ListenError';
}

/** Connections that may wait to be accepted. By default it is 511, and of a thousand callers at once half waited a second for TCP to try again. */
const BACKLOG = 4_096;

/**
 * Resolves with the address once the server listens; port 0 takes a free one.
 * @throws {ListenError} when the port cannot be had.
 */
export async function listen(
  server: Server,
  host: string,
  port: number,
): Promise<{ host: string; port: number }> {
  server.listen({ port, host, backlog: BACKLOG });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ListenError(obstacle(error, host, port), { cause: error });
  }
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server listens at no port.');
  return { host: address.address, port: address.port };
}

function obstacle(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is taken. Stop what listens there, or set PORT to another.`;
    case 'EACCES':
      return `Port ${port} may not be used by this user. Set PORT to 1024 or more.`;
    default:
      return `Cannot listen on ${host}, port ${port} (${String(code)}). Check HOST and PORT.`;
  }
}

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
