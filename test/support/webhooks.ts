/** Registers webhooks and publishes events for tests of the database. */
import { v7 as uuidv7 } from 'uuid';
import type { WebhookServices } from '../../api/webhooks/services.ts';
import type { Database } from '../../db/connection.ts';
import { publishEvents } from '../../db/events/publish.ts';
import { createWebhook, type NewWebhook } from '../../db/webhooks/webhooks.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { makeWebhookSecret, sealWebhookSecret } from '../../domain/webhook-secrets.ts';
import { webhookSchema } from '../../settings/webhooks.ts';

/** As a setting spells it. */
export const TEST_WEBHOOK_KEYS = `test:${Buffer.alloc(32, 7).toString('base64')}`;

export const readWebhookKeys = (text: string = TEST_WEBHOOK_KEYS) => {
  const { WEBHOOK_SECRET_KEYS: ring } = webhookSchema.parse({ WEBHOOK_SECRET_KEYS: text });
  if (ring === undefined) throw new Error('There is no ring.');
  return ring;
};

/** Of every API that tests start: receivers are on this machine. */
export const TEST_WEBHOOKS: WebhookServices = {
  keys: readWebhookKeys(),
  allowedNetworks: ['127.0.0.0/8', '::1/128'],
};

/** Returns the webhook's id and its secret. */
export async function registerWebhook(
  database: Database,
  given: Partial<Omit<NewWebhook, 'secret'>> = {},
): Promise<{ id: string; secret: string }> {
  const id = given.id ?? uuidv7();
  const text = makeWebhookSecret();
  const made = await createWebhook(database, {
    shopId: MAIN_SHOP,
    url: 'https://shop.example/events',
    description: null,
    types: null,
    createdBy: 'test',
    ...given,
    id,
    secret: sealWebhookSecret(readWebhookKeys(), { webhookId: id, id }, text),
  });
  if (made.outcome !== 'created') throw new Error(`The webhook was not made: ${made.outcome}.`);
  return { id, secret: text };
}

/** Publishes until nothing waits. */
export async function publishAll(database: Database): Promise<void> {
  while ((await publishEvents(database)).length > 0);
}
