/** Registers a webhook and prints what is sent to it, until it is stopped. A shop would keep the secret, and the ids of what it has done. */
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { WebhookVerificationError, createHoldfast, verifyWebhook, type WebhookEvent } from '@holdfast/client';

const holdfast = createHoldfast({
  address: process.env['HOLDFAST_ADDRESS'] ?? 'http://127.0.0.1:3000',
  key: process.env['HOLDFAST_KEY'] ?? '',
});

/** Two while a secret is rotated: the new one and the one before. */
const secrets: string[] = [];
/** The same event may come more than once. */
const done = new Set<string>();

function handle(event: WebhookEvent): void {
  if (done.has(event.id)) return;
  done.add(event.id);
  if (event.type === 'webhook.test') console.log('The webhook works.');
  else console.log(`${event.type} ${event.data.orderId}`);
}

const server = createServer((request, response) => {
  text(request)
    .then((body) => {
      handle(verifyWebhook(request.headers, body, secrets));
      response.writeHead(204).end();
    })
    .catch((error: unknown) => {
      // Anything but 2xx makes Holdfast send it again later.
      response.writeHead(error instanceof WebhookVerificationError ? 400 : 500).end();
    });
});

server.listen(0, '127.0.0.1', () => void begin());

async function begin(): Promise<void> {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const webhook = await holdfast.createWebhook({
    url: process.env['RECEIVER_URL'] ?? `http://127.0.0.1:${port}/`,
    description: 'an example',
  });
  // It is in the first answer alone.
  if (webhook.secret !== undefined) secrets.push(webhook.secret);
  await holdfast.sendTestEvent(webhook.id);

  const rotated = await holdfast.rotateWebhookSecret(webhook.id, { overlapSeconds: 86_400 });
  if (rotated.secret !== undefined) secrets.unshift(rotated.secret);
  console.log('Waiting for events, with two secrets.');

  process.once('SIGTERM', () => void end(webhook.id));
  process.once('SIGINT', () => void end(webhook.id));
}

async function end(webhookId: string): Promise<void> {
  await holdfast.removeWebhook(webhookId);
  server.close();
  server.closeIdleConnections();
}
