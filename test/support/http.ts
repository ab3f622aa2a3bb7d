/** The API behind its real HTTP server, and callers who write bytes as no library would. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterAll } from 'vitest';
import { createApi } from '../../api/app.ts';
import { BODY_LIMITS } from '../../api/http/body.ts';
import { createApiServer } from '../../api/http/server.ts';
import { openOrderClient } from '../../client/orders.ts';
import { listen } from '../../api/http/listen.ts';
import { inject } from 'vitest';
import { Shop } from './shop.ts';
import type { TestSystem } from './system.ts';

export interface Heard {
  status: number;
  headers: Headers;
  /** As it came: JSON for the most part. */
  body: string;
}

export interface Wire {
  server: Server;
  /** Where it listens. */
  url: string;
  shop: Shop;
  /** A connection on which the test writes. */
  open(): Promise<Socket>;
  /** Writes bytes on a connection of their own, and resolves with what is heard until the server has ended it. */
  send(...bytes: (string | Uint8Array)[]): Promise<Heard>;
}

/** Call at the top of a file; it is closed with it. */
export async function serve(
  { database, taskQueue }: TestSystem,
  { keepAlive = 65_000, patience = BODY_LIMITS.patience } = {},
): Promise<Wire> {
  const temporal = openOrderClient({ address: inject('temporalAddress'), namespace: 'default', taskQueue });
  const logger = pino({ level: 'silent' });
  const api = createApi(
    { database, temporal, logger, paymentWindow: 900_000, attentionAfter: 120_000 },
    { ...BODY_LIMITS, patience },
  );
  const server = createApiServer(api.fetch, keepAlive, logger);
  const { host, port } = await listen(server, '127.0.0.1', 0);
  const url = `http://${host}:${port}`;
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await temporal.close();
  });

  async function open(): Promise<Socket> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return socket;
  }
  return {
    server,
    url,
    shop: new Shop((path, init) => fetch(`${url}${path}`, init)),
    open,
    async send(...bytes) {
      const socket = await open();
      const heard = hear(socket);
      for (const some of bytes) socket.write(some);
      return heard;
    },
  };
}

/** Resolves with what comes on a connection until the server ends it. */
export async function hear(socket: Socket): Promise<Heard> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // A server that does not read what is still being written ends the connection with a reset.
  socket.on('error', () => {});
  await once(socket, 'close');
  return parse(Buffer.concat(chunks).toString());
}

/** The one response in a text; a body that is chunked is left so. */
export function parse(text: string): Heard {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [statusLine = '', ...fields] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`This is no HTTP response: ${JSON.stringify(text)}`);
  const headers = new Headers();
  for (const field of fields) {
    const colon = field.indexOf(':');
    headers.append(field.slice(0, colon), field.slice(colon + 1).trim());
  }
  return { status, headers, body: rest.join('\r\n\r\n') };
}
