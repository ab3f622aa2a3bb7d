/** Settings for payments from outside: the provider, what signs its notifications, and how long Holdfast waits for it. */
import { z } from 'zod';
import { UNITS, duration, text, wholeNumber } from './values.ts';

const LONGEST_URL = 2_000;
const LOOPBACK = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/;

/** Its callers prove themselves with a key: so http only on this machine. Paths are added to it. */
const providerUrl = z
  .url({ protocol: /^https?$/, error: 'must start with https://' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  .refine((url) => !/[?#]|^\w+:\/\/[^/]*@/.test(url), 'must have no user, no password, no ? and no # in it')
  .refine(
    (url) => url.startsWith('https://') || LOOPBACK.test(url),
    'must start with https://, or be on this machine',
  )
  .transform((url) => url.replace(/\/+$/, ''));

/** It becomes a header. */
const providerKey = text(1_000).regex(/^[\x21-\x7e]+$/, 'must have only visible ASCII characters in it');

/** Standard Webhooks wants 24 to 64 bytes. */
const LEAST_SECRET_BYTES = 24;
const MOST_SECRET_BYTES = 64;
/** One, and during a change the next one too. */
const MOST_SECRETS = 2;

const secrets = z
  .string()
  .max(400, 'must have at most 400 characters')
  .transform((list) => list.split(',').map((secret) => secret.trim()))
  .refine(
    (list) => list.length <= MOST_SECRETS && new Set(list).size === list.length && list.every(isSecret),
    `must be one or two secrets with a comma between them, each as whsec_ and ${LEAST_SECRET_BYTES} to ${MOST_SECRET_BYTES} bytes in base64`,
  );

function isSecret(secret: string): boolean {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  if (encoded === undefined) return false;
  const bytes = Buffer.from(encoded, 'base64');
  return (
    bytes.toString('base64') === encoded &&
    bytes.length >= LEAST_SECRET_BYTES &&
    bytes.length <= MOST_SECRET_BYTES
  );
}

/** Of the API. */
export const paymentSchema = z.object({
  /** Without them, nobody pays by provider, and no notification is taken. */
  PAYMENT_PROVIDER_SECRETS: secrets.optional(),
  /** An order holds its stock for that much longer. */
  PAYMENT_EXTENSION: duration(100, UNITS.d).default(5 * UNITS.m),
});

/** Connections to the provider. */
const MOST_SLOTS = 500;

/** Of the worker. The first two are set together, or none is and nothing is asked of a provider. */
export const paymentProviderSchema = z.object({
  PAYMENT_PROVIDER_URL: providerUrl.optional(),
  PAYMENT_PROVIDER_KEY: providerKey.optional(),
  PAYMENT_UNKNOWN_AFTER: duration(UNITS.s, 30 * UNITS.d).default(UNITS.d),
  PAYMENT_UNMATCHED_AFTER: duration(UNITS.s, 7 * UNITS.d).default(15 * UNITS.m),
  WORKER_PAYMENT_SLOTS: wholeNumber(1, MOST_SLOTS).default(10),
});

export interface PaymentProviderSettings {
  /** Without a slash at its end. */
  url: string;
  key: string;
}

/** Undefined when there is no provider. */
export function toPaymentProvider(
  {
    PAYMENT_PROVIDER_URL: url,
    PAYMENT_PROVIDER_KEY: key,
  }: Pick<z.output<typeof paymentProviderSchema>, 'PAYMENT_PROVIDER_URL' | 'PAYMENT_PROVIDER_KEY'>,
  context: z.RefinementCtx,
): PaymentProviderSettings | undefined {
  if (url !== undefined && key !== undefined) return { url, key };
  if (url === undefined && key === undefined) return undefined;
  context.addIssue({
    code: 'custom',
    path: [url === undefined ? 'PAYMENT_PROVIDER_URL' : 'PAYMENT_PROVIDER_KEY'],
    message: 'is missing: PAYMENT_PROVIDER_URL and PAYMENT_PROVIDER_KEY are set together',
  });
  return undefined;
}
