/** What the routes of webhooks need besides the database: keys, networks, and a way to wake what sends. */
import type { Logger } from 'pino';
import { UnknownKeyError, type KeyRing } from '../../domain/key-ring.ts';
import { SealBrokenError } from '../../domain/sealing.ts';
import type { Networks } from '../../domain/public-addresses.ts';
import { HostUnknownError, WebhookAddressError, resolveWebhook } from '../../domain/webhook-addresses.ts';
import { Problem } from '../problems/problem.ts';

export interface WebhookServices {
  /** Encrypt secrets. Without them no webhook can be made, and nothing is sent. */
  keys?: KeyRing | undefined;
  /** Besides the public Internet. */
  allowedNetworks: Networks;
  /** Makes what sends to a webhook look at once. It looks soon in any case. */
  wake?: ((webhookId: string) => Promise<void>) | undefined;
}

/** @throws {Problem} `webhooks_unavailable`, before an Idempotency-Key is claimed: no answer is kept. */
export function requireWebhookKeys({ keys }: Partial<WebhookServices> = {}): KeyRing {
  if (keys !== undefined) return keys;
  throw new Problem('webhooks_unavailable', 'WEBHOOK_SECRET_KEYS is not set here.');
}

/** @throws {Problem} `webhooks_unavailable` when the key that a secret is encrypted with is missing or another one. */
export function withKnownKey<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof UnknownKeyError || error instanceof SealBrokenError)
      throw new Problem(
        'webhooks_unavailable',
        'The key of this secret is missing, or is another one. The cause was logged.',
        {},
        { cause: error },
      );
    throw error;
  }
}

/**
 * Judges where an address leads now. What sends judges again, each time it connects.
 * @throws {Problem} `webhook_url_refused`.
 */
export async function requireReachable(
  url: string,
  { allowedNetworks }: Pick<WebhookServices, 'allowedNetworks'> = { allowedNetworks: [] },
): Promise<void> {
  try {
    await resolveWebhook(new URL(url), allowedNetworks);
  } catch (error) {
    if (error instanceof WebhookAddressError || error instanceof HostUnknownError)
      throw new Problem('webhook_url_refused', error.message, {
        errors: [{ field: 'url', message: error.message }],
      });
    throw error;
  }
}

/** Nobody waits for it: a minute later, what is due is found anyway. */
export function wake(webhookId: string, services: WebhookServices | undefined, logger: Logger): void {
  services?.wake?.(webhookId).catch((error: unknown) => {
    logger.warn({ err: error, webhookId }, 'could not wake what sends to a webhook');
  });
}
