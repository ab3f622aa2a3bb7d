/** Fingerprints requests, to tell a retry from a different request with the same key. */
import { createHash } from 'node:crypto';
import type { Context } from 'hono';
import type { KeyedCall } from '../../db/idempotency.ts';

export interface ParsedRequest {
  param?: object;
  json?: object;
  /** The condition in the request's headers; undefined if there is none. */
  ifMatch?: unknown;
}

/**
 * Two requests are the same if the caller sent the same, however this release reads it. Otherwise a release that adds a default would
 * take the retry of an older request for a different request.
 */
export async function takeFingerprints(
  c: Context,
  operation: string,
  { param, json, ifMatch }: ParsedRequest,
): Promise<Pick<KeyedCall, 'fingerprint' | 'earlierFingerprint'>> {
  const body: unknown = json === undefined ? undefined : await c.req.json();
  return {
    fingerprint: fingerprint({ param, json: body, ifMatch }),
    earlierFingerprint: fingerprint({ param, json: toEarlierForm(operation, body), ifMatch }),
  };
}

/**
 * The body as releases before 0.4 fingerprinted it: with their defaults and spelling, which never change. Keys of those releases may
 * still be kept: as long as their retention says, and for longer when their order is open or their call was never answered.
 */
function toEarlierForm(operation: string, body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const form: Record<string, unknown> = {
    ...(operation === 'createOrder' && { paymentMode: 'debit' }),
    ...body,
  };
  if (typeof form['reason'] === 'string') form['reason'] = form['reason'].trim();
  if (typeof form['walletId'] === 'string') form['walletId'] = form['walletId'].toLowerCase();
  return form;
}

function fingerprint(request: unknown): string {
  return createHash('sha256').update(JSON.stringify(request, sortKeys)).digest('hex');
}

/** Two requests that differ only in the order of their members are the same. */
function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
