/** Registers webhooks and publishes events for tests of the database. */
import { v7 as uuidv7 } from 'uuid';
import type { WebhookServices } from '../../api/webhooks/services.ts';
import type { Database, DatabasePool } from '../../db/connection.ts';
import { publishEvents } from '../../db/events/publish.ts';
import { claimDue } from '../../db/webhooks/claim.ts';
import { sendTest } from '../../db/webhooks/redeliver.ts';
import { createWebhook, type NewWebhook } from '../../db/webhooks/webhooks.ts';
import { ALL_SHOPS, MAIN_SHOP } from '../../domain/shops.ts';
import { makeWebhookSecret, openWebhookSecret, sealWebhookSecret } from '../../domain/webhook-secrets.ts';
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

/** The secrets with which a webhook's events are signed now, the newest first. */
export async function signingSecrets(
  database: DatabasePool,
  webhookId: string,
  keys: string = TEST_WEBHOOK_KEYS,
): Promise<string[]> {
  // Secrets come with what is to be sent.
  await sendTest(database.reaching({ shop: ALL_SHOPS }), { webhookId, id: uuidv7() });
  const due = await claimDue(database, {
    webhookId,
    at: new Date(Date.now() + 1_000).toISOString(),
    limit: 1,
    lease: 1,
  });
  return (due?.secrets ?? []).map(({ id, sealed, sealingKey }) =>
    openWebhookSecret(readWebhookKeys(keys), { webhookId, id }, { sealed, key: sealingKey }),
  );
}
