/** A receiver of alerts: a real HTTP server that can be down, and answers as the test says. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const bodySchema = z.looseObject({ alert: z.string(), event: z.string(), name: z.string() });
const addressSchema = z.object({ port: z.number() });

export interface Received {
  /** The id by which a notice that arrives twice is recognized. */
  notice: unknown;
  body: z.output<typeof bodySchema>;
  answered: Reply;
}

/** A status, or `lost`: the notice was read, and the connection ended without an answer. */
export type Reply = number | 'lost';

export interface Receiver {
  url: string;
  /** Every notice, in the order of arrival. */
  received: Received[];
  /** How the next notices are answered; with 204 until this is called. */
  answer: (how: (body: Received['body']) => Reply) => void;
  down: () => Promise<void>;
  up: () => Promise<void>;
}

/** Starts a receiver that is up, on a port that it keeps. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let how: (body: Received['body']) => Reply = () => 204;

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // What a followed redirect turns into: it gets a good answer, and no notice was delivered.
    if (request.method !== 'POST') return void response.writeHead(200).end();
    const body = bodySchema.parse(await json(request));
    const answered = how(body);
    received.push({ notice: request.headers['holdfast-notice'], body, answered });
    if (answered === 'lost') request.socket.destroy();
    else response.writeHead(answered, answered < 400 ? { location: '/elsewhere' } : {}).end();
  }

  const listen = async (port: number): Promise<Server> => {
    const server = createServer((request, response) => void take(request, response));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
    await promise;
    return server;
  };

  let server: Server | null = await listen(0);
  const { port } = addressSchema.parse(server.address());
  return {
    url: `http://127.0.0.1:${port}/alerts?token=secret`,
    received,
    answer: (next) => (how = next),
    async down() {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (server) server.close(() => resolve());
      else resolve();
      server?.closeAllConnections();
      server = null;
      await promise;
    },
    up: async () => {
      server ??= await listen(port);
    },
  };
}
