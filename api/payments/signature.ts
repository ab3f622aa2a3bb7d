/** Proves that a notification came from the payment provider, unchanged and just now: Standard Webhooks. */
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** The header by which a sender proves itself. */
export const SIGNATURE_HEADER = 'webhook-signature';
const HEADERS = ['webhook-id', 'webhook-timestamp', SIGNATURE_HEADER] as const;

const DESCRIPTIONS: Readonly<Record<(typeof HEADERS)[number], string>> = {
  'webhook-id': 'The id of the notification, the same whenever it is sent again.',
  'webhook-timestamp': 'When it is sent, in seconds since 1970. At most five minutes from now.',
  'webhook-signature':
    'One or more signatures with blanks between them, each `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64.',
};

/** Not part of the request's schemas: a caller who cannot sign learns nothing about them. */
export const SIGNATURE_PARAMETERS = HEADERS.map((name) => ({
  name,
  in: 'header' as const,
  required: true,
  description: DESCRIPTIONS[name],
  schema: { type: 'string' as const },
}));

export interface SignedNotification {
  /** The header `webhook-id`. */
  id: string;
  text: string;
}

/** Undefined when no signature is valid now: nothing says what is wrong. */
export type ReadSigned = (
  header: (name: string) => string | undefined,
  body: Uint8Array,
) => SignedNotification | undefined;

/**
 * The tolerance of five minutes and the comparison in constant time are the library's.
 * @param secrets `whsec_...`: one, or during a change two. Without any, nothing is accepted.
 */
export function createSignatureCheck(secrets: readonly string[]): ReadSigned {
  const verifiers = secrets.map((secret) => new Webhook(secret));

  return function readSigned(header, body) {
    const headers = Object.fromEntries(HEADERS.map((name) => [name, header(name) ?? '']));
    const text = decode(body);
    if (text === undefined || !verifiers.some((verifier) => isSigned(verifier, text, headers)))
      return undefined;
    return { id: headers['webhook-id'] ?? '', text };
  };
}

/** Strictly, with its byte order mark: what was signed are these bytes. */
function decode(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

function isSigned(verifier: Webhook, text: string, headers: Record<string, string>): boolean {
  try {
    verifier.verify(text, headers, { jsonParse: false });
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}
