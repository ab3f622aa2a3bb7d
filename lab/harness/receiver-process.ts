/**
 * A shop's receiver of webhooks as a process of its own: verifies what arrives, writes it to a file, and only then answers. A receiver that
 * is killed has what it answered for.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import type { Arrival } from './receiver.ts';

const settings = z
  .object({ PORT: z.coerce.number(), ARRIVALS_FILE: z.string(), SECRET_FILE: z.string() })
  .parse(process.env);
const eventSchema = z.object({
  id: z.string(),
  type: z.string(),
  data: z.object({ orderId: z.string().optional(), version: z.number().optional() }),
});

/** It is there once the webhook was registered, which needs the receiver's address. */
let verifier: Webhook | undefined;

const server = createServer((request, response) => {
  void text(request).then(
    (raw) => {
      verifier ??= new Webhook(readFileSync(settings.SECRET_FILE, 'utf8'));
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      let isVerified = true;
      try {
        verifier.verify(raw, headers, { jsonParse: false });
      } catch {
        isVerified = false;
      }
      const { id, type, data } = eventSchema.parse(JSON.parse(raw));
      const arrival: Arrival = {
        id,
        type,
        orderId: data.orderId ?? null,
        version: data.version ?? null,
        isVerified: isVerified && headers['webhook-id'] === id,
      };
      appendFileSync(settings.ARRIVALS_FILE, `${JSON.stringify(arrival)}\n`);
      response.writeHead(204).end();
    },
    () => response.destroy(),
  );
});
server.listen(settings.PORT, '127.0.0.1', () => console.log('receiver ready'));
process.on('SIGTERM', () => process.exit(0));
