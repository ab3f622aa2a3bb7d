/** Signs what is sent to a receiver, as the specification Standard Webhooks says. */
import { Webhook } from 'standardwebhooks';

export interface Message {
  /** The event's, the same at each attempt: a receiver that gets it twice recognises it. */
  id: string;
  body: string;
}

/** The headers by which a receiver verifies a message. Each secret signs, so that one of them can be replaced in between. */
export function signatureHeaders(
  { id, body }: Message,
  secrets: readonly string[],
  sentAt: Date,
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1_000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, sentAt, body)).join(' '),
  };
}
