/** What is asked about webhooks: by shops that look after them, and by what sends. */
import { createSecretKey, randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../../../db/database.ts';
import { readBacklog } from '../../../../db/webhooks/backlog.ts';
import { changeWebhook } from '../../../../db/webhooks/change.ts';
import {
  claimDue,
  listWebhooksDue,
  listWebhooksOf,
  nextDue,
  type Due,
} from '../../../../db/webhooks/claim.ts';
import { findDelivery, listAttempts, listDeliveries } from '../../../../db/webhooks/deliveries.ts';
import { removeOldDeliveries } from '../../../../db/webhooks/old-deliveries.ts';
import { disableWebhook, recordAttempts, type Attempt } from '../../../../db/webhooks/record.ts';
import { redeliver, sendTest } from '../../../../db/webhooks/redeliver.ts';
import { countSecretsByKey, resealSecrets } from '../../../../db/webhooks/secret-rotation.ts';
import { readSecret, rotateSecret } from '../../../../db/webhooks/secrets.ts';
import { createWebhook, findWebhook, listWebhooks, removeWebhook } from '../../../../db/webhooks/webhooks.ts';
import { limitTo } from '../../../../db/reach.ts';
import type { KeyRing } from '../../../../domain/key-ring.ts';
import { MAIN_SHOP } from '../../../../domain/shops.ts';
import { makeWebhookSecret, sealWebhookSecret } from '../../../../domain/webhook-secrets.ts';
import { nth, type Facts } from '../facts.ts';
import { askedBy, type Question } from '../question.ts';

const READERS = ['shop', 'installation', 'empty shop'] as const;
const PAGE = { before: undefined, limit: 21 };
const LEASE = 60_000;
const DAY = 86_400_000;
const RING: KeyRing = [{ name: 'new', key: createSecretKey(randomBytes(32)) }];

async function register(database: Database): Promise<string> {
  const id = uuidv7();
  const secret = sealWebhookSecret(RING, { webhookId: id, id }, makeWebhookSecret());
  const url = 'https://shop.example/new';
  const made = { id, shopId: MAIN_SHOP, url, description: null, types: null, createdBy: 'bench', secret };
  await createWebhook(database, made);
  return id;
}

const now = () => new Date().toISOString();
const claim = (database: Database, { webhooks }: Facts) =>
  claimDue(database, { webhookId: webhooks.busy, at: now(), limit: 10, lease: LEASE });

function record(
  database: Database,
  { webhooks }: Facts,
  { due, next, retryAt }: { due: Due | undefined; next: Attempt['next']; retryAt: string | null },
) {
  const result =
    next === 'delivered' ? { status: 204, failure: null } : { status: 503, failure: 'refused' as const };
  const attempt = { at: now(), durationMs: 20, cause: null, next, ...result };
  return recordAttempts(database, {
    webhookId: webhooks.busy,
    at: now(),
    retryAt,
    attempts: (due?.deliveries ?? []).map(({ id, number }) => ({ deliveryId: id, number, ...attempt })),
  });
}

export const ABOUT_WEBHOOKS: readonly Question[] = [
  ...askedBy(READERS, {
    name: 'webhooks',
    by: [listWebhooks],
    ask: (database) => listWebhooks(database, PAGE),
  }),
  ...askedBy(READERS, {
    name: 'a webhook',
    by: [findWebhook],
    ask: (database, { webhooks }, turn) => findWebhook(database, nth(webhooks.others, turn)),
  }),
  ...askedBy(['shop', 'installation'], {
    name: 'deliveries of a webhook',
    by: [listDeliveries],
    ask: (database, { webhooks }) => listDeliveries(database, { webhookId: webhooks.busy }, PAGE),
  }),
  ...(['pending', 'delivered', 'given_up'] as const).flatMap((state) =>
    askedBy(['shop', 'installation'], {
      name: `${state} deliveries of a webhook`,
      by: [listDeliveries],
      ask: (database, { webhooks }) => listDeliveries(database, { webhookId: webhooks.busy, state }, PAGE),
    }),
  ),
  ...askedBy(READERS, {
    name: 'deliveries of an event',
    by: [listDeliveries],
    ask: (database, { webhooks, orders }, turn) =>
      listDeliveries(database, { webhookId: webhooks.busy, eventId: `${nth(orders.paid, turn).id}-2` }, PAGE),
  }),
  ...askedBy(READERS, {
    name: 'a delivery and its attempts',
    by: [findDelivery, listAttempts],
    ask: async (database, { webhooks }, turn) => {
      const id = nth(webhooks.delivered, turn);
      await findDelivery(database, { webhookId: webhooks.busy, id });
      await listAttempts(database, id, { after: 0, limit: 21 });
    },
  }),
  {
    name: 'register a webhook, change it and remove it',
    by: [createWebhook, changeWebhook, removeWebhook],
    as: 'shop',
    ask: async (database) => {
      const id = await register(database);
      await changeWebhook(database, { id, ifVersion: [1], change: { enabled: false } });
      await changeWebhook(database, { id, ifVersion: 'any', change: { enabled: true } });
      await removeWebhook(database, { id, ifVersion: undefined });
    },
  },
  {
    name: 'rotate the secret of a webhook, and read it',
    by: [rotateSecret, readSecret],
    as: 'holdfast',
    ask: async (database, { webhooks }, turn) => {
      const owner = { webhookId: nth(webhooks.others, turn), id: uuidv7() };
      const secret = sealWebhookSecret(RING, owner, makeWebhookSecret());
      await rotateSecret(limitTo(database, { shop: MAIN_SHOP }), { ...owner, secret, overlap: DAY });
      await readSecret(database, owner);
    },
  },
  {
    name: 'send an event once more, and a test',
    by: [redeliver, sendTest],
    as: 'shop',
    ask: async (database, { webhooks, orders }, turn) => {
      const event = { orderId: nth(orders.paid, turn).id, version: 2 };
      const command = { webhookId: webhooks.busy, commandId: uuidv7() };
      await redeliver(database, { ...command, wanted: { event } });
      await sendTest(database, { webhookId: webhooks.busy, id: uuidv7() });
    },
  },
  {
    name: 'send the events of some minutes once more',
    by: [redeliver],
    as: 'shop',
    ask: (database, { webhooks, until }) => {
      const to = new Date(Date.parse(until) - 10 * DAY);
      const from = new Date(to.getTime() - 60_000);
      return redeliver(database, {
        webhookId: webhooks.busy,
        commandId: uuidv7(),
        wanted: { from, to },
      });
    },
  },
  {
    name: 'claim what is due to a webhook, and record what became of it',
    by: [claimDue, recordAttempts],
    as: 'holdfast',
    ask: async (database, facts) =>
      record(database, facts, { due: await claim(database, facts), next: 'delivered', retryAt: null }),
  },
  {
    name: 'claim what is due to a webhook that is down, and record that it is back',
    by: [claimDue, recordAttempts],
    as: 'holdfast',
    ask: async (database, facts) => {
      const next = { dueAt: now() };
      await record(database, facts, { due: await claim(database, facts), next, retryAt: now() });
      await record(database, facts, { due: await claim(database, facts), next: 'delivered', retryAt: null });
    },
  },
  {
    name: 'when something is due to a webhook',
    by: [nextDue],
    as: 'holdfast',
    ask: (database, { webhooks }) => nextDue(database, webhooks.busy),
  },
  {
    name: 'how much waits at a webhook',
    by: [readBacklog],
    as: 'holdfast',
    ask: (database, { webhooks }) => readBacklog(database, webhooks.busy),
  },
  {
    name: 'webhooks that have something due',
    by: [listWebhooksDue],
    as: 'holdfast',
    ask: (database) => listWebhooksDue(database, { at: now(), limit: 100 }),
  },
  {
    name: 'webhooks of some events',
    by: [listWebhooksOf],
    as: 'holdfast',
    ask: (database) => listWebhooksOf(database, [{ shopId: MAIN_SHOP, type: 'order.paid' }]),
  },
  {
    name: 'disable a webhook',
    by: [disableWebhook],
    as: 'holdfast',
    ask: (database, { webhooks }, turn) =>
      disableWebhook(database, { webhookId: nth(webhooks.others, turn), reason: 'failing' }),
  },
  {
    name: 'remove old deliveries, a page',
    by: [removeOldDeliveries],
    as: 'holdfast',
    ask: (database, { until }) =>
      removeOldDeliveries(database, { now: Date.parse(until), keepMs: 29 * DAY, after: null, forMs: 0 }),
  },
  {
    name: 'encrypt the secrets of webhooks again',
    by: [resealSecrets],
    as: 'holdfast',
    ask: (database) => resealSecrets(database, RING),
  },
  {
    name: 'count the secrets of each key of webhooks',
    by: [countSecretsByKey],
    as: 'holdfast',
    ask: (database) => countSecretsByKey(database),
  },
];
