/** Makes a server listen on its port, or explains why it cannot. */
import { once } from 'node:events';
import type { Server } from 'node:http';

/** Explains to the person who starts the server why it cannot listen. */
export class ListenError extends Error {
  override name = 'ListenError';
}

/**
 * How many connections may wait to be accepted. With the default of 511, half of a thousand simultaneous callers waited a second for TCP to
 * try again.
 */
const BACKLOG = 4_096;

/**
 * Resolves with the address once the server listens. Port 0 takes a free port.
 * @throws {ListenError} when the port is not available.
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
    throw new ListenError(explainFailure(error, host, port), { cause: error });
  }
  const address = server.address();
  if (typeof address !== 'object' || address === null)
    throw new Error('The server does not listen on a port.');
  return { host: address.address, port: address.port };
}

function explainFailure(error: unknown, host: string, port: number): string {
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
