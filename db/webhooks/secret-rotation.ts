/** Moves the secrets of webhooks to the current key of the installation, page by page, while events are sent. The secrets stay the same. */
import { asc, sql as expression } from 'drizzle-orm';
import { UnknownKeyError, type KeyRing } from '../../domain/key-ring.ts';
import { SealBrokenError } from '../../domain/sealing.ts';
import { openWebhookSecret, sealWebhookSecret } from '../../domain/webhook-secrets.ts';
import type { Database } from '../connection.ts';
import { webhookSecret } from '../schema/webhooks.ts';

const PAGE = 200;

export interface ResealedSecrets {
  moved: number;
  /** Secrets whose key could not be had: they stay as they are. */
  failed: number;
  /** Why the first of them failed. */
  reason?: string;
}

/** Encrypts every secret with the current key. Those that have it already are left alone, so a run may be repeated at any time. */
export async function resealSecrets(database: Database, ring: KeyRing): Promise<ResealedSecrets> {
  const [current] = ring;
  const total: ResealedSecrets = { moved: 0, failed: 0 };
  for (let after: { webhookId: string; id: string } | undefined; ;) {
    const page = await listSecrets(database, after);
    for (const { sealed, sealingKey, ...owner } of page) {
      if (sealingKey === current.name) continue;
      try {
        const text = openWebhookSecret(ring, owner, { sealed, key: sealingKey });
        const moved = sealWebhookSecret(ring, owner, text);
        total.moved += await reseal(database, { ...owner, was: sealingKey, ...moved });
      } catch (error) {
        if (!(error instanceof UnknownKeyError || error instanceof SealBrokenError)) throw error;
        total.failed += 1;
        total.reason ??= error.message;
      }
    }
    after = page.at(-1);
    if (page.length < PAGE || after === undefined) return total;
  }
}

const listSecrets = (database: Database, after: { webhookId: string; id: string } | undefined) =>
  database.run(({ orm }) =>
    orm
      .select({
        webhookId: webhookSecret.webhookId,
        id: webhookSecret.id,
        sealed: webhookSecret.sealed,
        sealingKey: webhookSecret.sealingKey,
      })
      .from(webhookSecret)
      .where(
        after &&
          expression`(${webhookSecret.webhookId}, ${webhookSecret.id}) > (${after.webhookId}::uuid, ${after.id}::uuid)`,
      )
      .orderBy(asc(webhookSecret.webhookId), asc(webhookSecret.id))
      .limit(PAGE),
  );

interface Resealed {
  webhookId: string;
  id: string;
  was: string;
  sealed: Buffer;
  key: string;
}

/** One that another run has moved stays as that left it. */
async function reseal(database: Database, { webhookId, id, was, sealed, key }: Resealed): Promise<number> {
  const { count } = await database.run(
    ({ sql }) => sql`
      update webhook_secret set sealed = ${sealed}, sealing_key = ${key}
      where webhook_id = ${webhookId} and id = ${id} and sealing_key = ${was}
    `,
  );
  return count;
}

export interface SecretsOfKey {
  /** The key's name. */
  name: string;
  secrets: number;
}

/** How many secrets each key of the installation encrypts. */
export async function countSecretsByKey(database: Database): Promise<SecretsOfKey[]> {
  const counted = await database.run(
    ({ sql }) => sql<SecretsOfKey[]>`
      select sealing_key as name, count(*)::integer as secrets from webhook_secret group by sealing_key order by sealing_key
    `,
  );
  return [...counted];
}
