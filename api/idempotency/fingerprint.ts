/** Tells a retry from another request under the same key. */
import { createHash } from 'node:crypto';
import type { Context } from 'hono';
import type { KeyedCall } from '../../db/idempotency.ts';

export interface ParsedRequest {
  param?: object;
  json?: object;
  /** What the change is conditional on, from its headers; undefined when it is not. */
  ifMatch?: unknown;
}

/**
 * Two requests are the same when the caller sent the same, whatever this release makes of it. Otherwise a release that adds a
 * default would take the retry of an older request for a different one.
 */
export async function takeFingerprints(
  c: Context,
  operation: string,
  { param, json, ifMatch }: ParsedRequest,
): Promise<Pick<KeyedCall, 'fingerprint' | 'earlierFingerprint'>> {
  const body: unknown = json === undefined ? undefined : await c.req.json();
  return {
    fingerprint: fingerprintOf({ param, json: body, ifMatch }),
    earlierFingerprint: fingerprintOf({ param, json: earlierForm(operation, body), ifMatch }),
  };
}

/**
 * A body as releases before 0.4 fingerprinted it: with their defaults and spelling, which never change. Keys are kept forever, so
 * theirs are recognised forever.
 */
function earlierForm(operation: string, body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const form: Record<string, unknown> = {
    ...(operation === 'createOrder' && { paymentMode: 'debit' }),
    ...body,
  };
  if (typeof form['reason'] === 'string') form['reason'] = form['reason'].trim();
  if (typeof form['walletId'] === 'string') form['walletId'] = form['walletId'].toLowerCase();
  return form;
}

function fingerprintOf(request: unknown): string {
  return createHash('sha256').update(JSON.stringify(request, sortedKeys)).digest('hex');
}

/** Two requests that differ in the order of their members are the same. */
function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
