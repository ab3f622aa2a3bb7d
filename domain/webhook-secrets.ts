/** The secrets with which webhooks are signed. They are stored encrypted, and shown to their shop once. */
import { randomBytes } from 'node:crypto';
import { openWithRing, sealWithCurrent, type KeyRing, type SealedWith } from './key-ring.ts';

export const WEBHOOK_SECRET_BYTES = 32;
/** As Standard Webhooks spells a symmetric secret. */
const PREFIX = 'whsec_';

/** Whose secret it is: as the secret of another webhook, it cannot be opened. */
export interface SecretOwner {
  webhookId: string;
  /** Of the secret. */
  id: string;
}

export const makeWebhookSecret = (): string => PREFIX + randomBytes(WEBHOOK_SECRET_BYTES).toString('base64');

export function sealWebhookSecret(ring: KeyRing, owner: SecretOwner, text: string): SealedWith {
  return sealWithCurrent(ring, Buffer.from(text.slice(PREFIX.length), 'base64'), secretOf(owner));
}

/** @throws {UnknownKeyError | SealBrokenError} */
export function openWebhookSecret(ring: KeyRing, owner: SecretOwner, sealed: SealedWith): string {
  return PREFIX + openWithRing(ring, sealed, secretOf(owner), 'WEBHOOK_SECRET_KEYS').toString('base64');
}

const secretOf = ({ webhookId, id }: SecretOwner) => ["a webhook's secret", webhookId, id] as const;
