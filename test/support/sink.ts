/** A server that takes JSON, as Slack and PagerDuty do, keeps all that arrives, and answers as the test says. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const addressSchema = z.object({ port: z.number() });
const bodySchema = z.record(z.string(), z.unknown());

export interface Sink {
  url: string;
  /** What was taken, in the order of arrival. */
  taken: z.output<typeof bodySchema>[];
  /** How many calls were refused. */
  refused: () => number;
  /** The status of the next answers; 200 until this is called. */
  answer: (status: number) => void;
  close: () => Promise<void>;
}

/** @param path of its address, such as the token of an incoming webhook. */
export async function startSink(path: string): Promise<Sink> {
  const taken: Sink['taken'] = [];
  let refused = 0;
  let status = 200;
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      if (status < 300) taken.push(bodySchema.parse(body));
      else refused += 1;
      response.writeHead(status).end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = addressSchema.parse(server.address());
  return {
    url: `http://127.0.0.1:${port}${path}`,
    taken,
    refused: () => refused,
    answer: (next) => {
      status = next;
    },
    async close() {
      server.closeAllConnections();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
