/** Finds free TCP ports on this machine. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Below every system's range for outgoing connections, so that none of them takes a port between its choice and its use. */
const FIRST = 20_000;
const COUNT = 12_000;
const ATTEMPTS = 50;

/** A port of 127.0.0.1 on which nothing listens. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isPortFree('127.0.0.1', port)) return port;
  }
  throw new Error(`None of ${ATTEMPTS} ports from ${FIRST} on was free.`);
}

export async function isPortFree(host: string, port: number): Promise<boolean> {
  // macOS lets us listen on 127.0.0.1 although a server listens on all addresses; only connecting finds that server.
  return (await canListen(host, port)) && !(await answers(host, port));
}

async function canListen(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    server.close();
  }
}

async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host: host === '0.0.0.0' ? '127.0.0.1' : host, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
