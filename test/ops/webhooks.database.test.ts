/** The keys that encrypt the secrets of webhooks can be changed while events are sent, and no secret is lost by it. */
import { expect, test } from 'vitest';
import { claimDue } from '../../db/webhooks/claim.ts';
import { resealSecrets } from '../../db/webhooks/secret-rotation.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { UnknownKeyError } from '../../domain/key-ring.ts';
import { SealBrokenError } from '../../domain/sealing.ts';
import { openWebhookSecret } from '../../domain/webhook-secrets.ts';
import { freshDatabase } from '../support/database.ts';
import { aKey } from '../support/personal-data.ts';
import { TEST_WEBHOOK_KEYS, readWebhookKeys, registerWebhook } from '../support/webhooks.ts';

const { database, sql } = await freshDatabase();

async function openAll(id: string, keys: string): Promise<string[]> {
  const due = await claimDue(database, { webhookId: id, at: new Date().toISOString(), limit: 1, lease: 1 });
  return (due?.secrets ?? []).map(({ id: secret, sealed, sealingKey }) =>
    openWebhookSecret(readWebhookKeys(keys), { webhookId: id, id: secret }, { sealed, key: sealingKey }),
  );
}

test('after a rotation the older key is needed no longer, and the secrets are the same', async () => {
  const { id, secret } = await registerWebhook(database.reaching({ shop: MAIN_SHOP }));
  const newer = aKey('newer');
  const ring = readWebhookKeys(`${newer},${TEST_WEBHOOK_KEYS}`);
  expect(await openAll(id, `${newer},${TEST_WEBHOOK_KEYS}`)).toEqual([secret]);
  await expect(openAll(id, newer)).rejects.toThrow(UnknownKeyError);
  // Twice at once: one of them moves it.
  const moved = await Promise.all([resealSecrets(database, ring), resealSecrets(database, ring)]);
  expect(moved.reduce((sum, one) => sum + one.moved, 0)).toBe(1);
  expect(await openAll(id, newer)).toEqual([secret]);
  expect(await resealSecrets(database, ring)).toEqual({ moved: 0, failed: 0 });
});

test('a secret whose key is missing, or that was changed, stays as it is, and the others are moved', async () => {
  await sql`delete from webhook`;
  const api = database.reaching({ shop: MAIN_SHOP });
  const [good, lost, changed] = [
    await registerWebhook(api),
    await registerWebhook(api),
    await registerWebhook(api),
  ];
  await sql`update webhook_secret set sealing_key = 'lost' where webhook_id = ${lost.id}`;
  // Another webhook's, in its place.
  await sql`
    update webhook_secret set sealed = (select sealed from webhook_secret where webhook_id = ${good.id})
    where webhook_id = ${changed.id}
  `;
  const newer = aKey('newest');
  const result = await resealSecrets(database, readWebhookKeys(`${newer},${TEST_WEBHOOK_KEYS}`));
  expect(result).toMatchObject({ moved: 1, failed: 2, reason: expect.any(String) });
  expect(await openAll(good.id, newer)).toEqual([good.secret]);
  await expect(openAll(changed.id, TEST_WEBHOOK_KEYS)).rejects.toThrow(SealBrokenError);
});
