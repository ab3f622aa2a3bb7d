/** Notifications as the payment provider signs them. */
import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { PROVIDER_SECRET } from './provider.ts';

export interface Signing {
  id?: string;
  secret?: string;
  /** When it is sent: now unless given. */
  at?: Date;
}

/** What `fetch` takes. */
export interface SignedRequest {
  method: 'POST';
  headers: Record<string, string>;
  body: string;
}

/** A request with this body, signed. */
export function signedInit(
  body: string,
  { id = `n-${randomUUID()}`, secret = PROVIDER_SECRET, at = new Date() }: Signing = {},
): SignedRequest {
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    },
    body,
  };
}

/** The body of a notification about the payment with this reference. */
export const notificationOf = (reference: string, more: object = {}): string =>
  JSON.stringify({
    type: 'payment.authorised',
    at: '2026-01-01T00:00:00Z',
    data: { reference, id: 'pay_1' },
    ...more,
  });
