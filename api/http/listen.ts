/** Takes a port for a server, or explains why it cannot. */
import { once } from 'node:events';
import type { Server } from 'node:http';

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
