/** Proves that a webhook came from Holdfast, unchanged and just now. */
import { Webhook } from 'standardwebhooks';
import type { WebhookEvent } from './events.ts';

/** As `fetch` has them, or as Node's HTTP server does. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyOptions {
  /** Milliseconds by which sender and receiver may disagree; 5 minutes unless given. */
  tolerance?: number;
  /** Milliseconds since 1970; the clock of this machine unless given. */
  now?: () => number;
}

export type WebhookFlaw =
  | 'headers_missing'
  | 'timestamp_invalid'
  | 'timestamp_too_old'
  | 'timestamp_too_new'
  | 'signature_mismatch'
  | 'body_invalid';

/** Answer with 400, and do nothing of what the body says. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError';
  readonly flaw: WebhookFlaw;

  constructor(flaw: WebhookFlaw) {
    super(SENTENCES[flaw]);
    this.flaw = flaw;
  }
}

const SENTENCES: Readonly<Record<WebhookFlaw, string>> = {
  headers_missing: 'The headers webhook-id, webhook-timestamp and webhook-signature are not all there.',
  timestamp_invalid: 'The header webhook-timestamp is not a number of seconds.',
  timestamp_too_old: 'It was sent too long ago: somebody may be sending again what they have seen.',
  timestamp_too_new: 'It comes from the future: the clock of the sender or of the receiver is wrong.',
  signature_mismatch:
    'No signature is by one of these secrets: the body was changed, or the secrets are those of another webhook.',
  body_invalid: 'The body is signed, and is not JSON.',
};

const TOLERANCE_MS = 300_000;

/**
 * Returns the event. The same event may come more than once: what was done for its `id` is not done again.
 * @param body exactly as it was received: parsed and written again, it has another signature.
 * @param secrets `whsec_...`: one, or during a rotation the new one and the old one.
 * @throws {WebhookVerificationError}
 */
export function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array,
  secrets: string | readonly string[],
  { tolerance = TOLERANCE_MS, now = Date.now }: VerifyOptions = {},
): WebhookEvent {
  const all = [secrets].flat();
  if (all.length === 0) throw new TypeError('Give at least one secret of the webhook.');
  const id = readHeader(headers, 'webhook-id');
  const timestamp = readHeader(headers, 'webhook-timestamp');
  const signatures = readHeader(headers, 'webhook-signature');
  if (id === undefined || timestamp === undefined || signatures === undefined)
    throw new WebhookVerificationError('headers_missing');
  const sentAt = readTimestamp(timestamp, now(), tolerance);
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  const expected = all.map((secret) => new Webhook(secret).sign(id, sentAt, text));
  const given = signatures.split(' ');
  // Every pair is compared, and every comparison takes the same time: how long it takes says nothing about a secret.
  const matches = expected.flatMap((one) => given.map((other) => isEqual(one, other)));
  if (!matches.includes(true)) throw new WebhookVerificationError('signature_mismatch');
  return parse(text);
}

function readHeader(headers: WebhookHeaders, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const found = Object.entries(headers).find(([one]) => one.toLowerCase() === name)?.[1];
  return typeof found === 'string' ? found : found?.[0];
}

function readTimestamp(seconds: string, now: number, tolerance: number): Date {
  if (!/^\d{1,12}$/.test(seconds)) throw new WebhookVerificationError('timestamp_invalid');
  const at = 1_000 * Number(seconds);
  if (now - at > tolerance) throw new WebhookVerificationError('timestamp_too_old');
  if (at - now > tolerance) throw new WebhookVerificationError('timestamp_too_new');
  return new Date(at);
}

function isEqual(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index += 1)
    difference |= one.charCodeAt(index) ^ other.charCodeAt(index);
  return difference === 0;
}

function parse(text: string): WebhookEvent {
  try {
    // Signed by Holdfast, and therefore of this shape.
    return JSON.parse(text);
  } catch {
    throw new WebhookVerificationError('body_invalid');
  }
}
