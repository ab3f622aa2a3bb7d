/** A shop's receiver of webhooks: a real HTTP server that keeps all that arrives, can be down, and misbehaves as the test says. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';

const eventSchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  data: z.looseObject({ orderId: z.string().optional(), version: z.number().optional() }),
});
const addressSchema = z.object({ port: z.number() });

export interface Arrived {
  headers: Record<string, string>;
  /** As it came, which is what is signed. */
  raw: string;
  event: z.output<typeof eventSchema>;
  answered: Behaviour;
}

/** A status, or how the receiver misbehaves after it has read the event. */
export type Behaviour =
  | number
  /** Never answers. */
  | 'hang'
  /** Answers 200 after a second. */
  | 'slow head'
  /** Answers 200, and then one byte at a time. */
  | 'slow body'
  /** Answers 200 with a body that never ends. */
  | 'huge body'
  /** Answers 200 with a part of the body that it announced, and closes. */
  | 'half a body'
  /** Closes within the head of its answer. */
  | 'half a head'
  /** Resets the connection. */
  | 'reset'
  /** Answers something that is no HTTP. */
  | 'no HTTP'
  /** Answers with headers that never end. */
  | 'endless headers';

export interface WebhookReceiver {
  url: string;
  /** In the order of arrival. */
  arrived: Arrived[];
  /** How the next events are answered; with 204 until this is called. */
  behave: (how: (event: Arrived['event']) => Behaviour) => void;
  down: () => Promise<void>;
  up: () => Promise<void>;
}

/** Whether a message is signed with this secret, as a receiver finds out. */
export function isSignedWith(secret: string, { raw, headers }: Pick<Arrived, 'raw' | 'headers'>): boolean {
  try {
    new Webhook(secret).verify(raw, headers);
    return true;
  } catch {
    return false;
  }
}

/** Starts a receiver that is up, on a port that it keeps. Take it down in the end. */
export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const arrived: Arrived[] = [];
  let how: (event: Arrived['event']) => Behaviour = () => 204;

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = await text(request);
    // What a followed redirect turns into: it gets a good answer, and no event was delivered.
    if (request.method !== 'POST') return void response.writeHead(200).end();
    const event = eventSchema.parse(JSON.parse(raw));
    const answered = how(event);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    arrived.push({ headers, raw, event, answered });
    if (typeof answered === 'number')
      response.writeHead(answered, answered >= 300 && answered < 400 ? { location: '/elsewhere' } : {}).end();
    else await misbehave(answered, request, response);
  }

  const listen = async (port: number): Promise<Server> => {
    const server = createServer((request, response) => void take(request, response).catch(() => {}));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };

  let server: Server | null = await listen(0);
  const { port } = addressSchema.parse(server.address());
  return {
    url: `http://127.0.0.1:${port}/events?token=secret`,
    arrived,
    behave: (next) => (how = next),
    async down() {
      const ending = server;
      server = null;
      if (ending === null) return;
      const closed = once(ending, 'close');
      ending.close();
      ending.closeAllConnections();
      await closed;
    },
    up: async () => {
      server ??= await listen(port);
    },
  };
}

async function misbehave(
  how: Exclude<Behaviour, number>,
  { socket }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (how === 'hang') return;
  if (how === 'slow head') {
    await delay(1_000);
    return void response.writeHead(200).end();
  }
  if (how === 'reset') return void socket.resetAndDestroy();
  if (how === 'half a head') return void socket.end('HTTP/1.1 200 OK\r\ncontent-le');
  if (how === 'no HTTP') return void socket.end('220 mail.example.com ESMTP\r\n\r\n');
  if (how === 'half a body') {
    response.writeHead(200, { 'content-length': 100 }).write('half');
    return void setImmediate(() => socket.destroySoon());
  }
  if (how === 'endless headers') {
    socket.write('HTTP/1.1 200 OK\r\n');
    while (
      !socket.destroyed &&
      socket.write(`x-more: ${'x'.repeat(2_000)}
`)
    )
      await delay(1);
    return;
  }
  response.writeHead(200);
  const chunk = how === 'slow body' ? 'x' : 'x'.repeat(100_000);
  while (!socket.destroyed) {
    response.write(chunk);
    await delay(how === 'slow body' ? 100 : 1);
  }
}
