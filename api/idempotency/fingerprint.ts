/** Fingerprints requests, to tell a retry from a different request with the same key. */
import { createHash } from 'node:crypto';
import type { Context } from 'hono';
import type { KeyedCall } from '../../db/idempotency.ts';
import { PERSONAL_FIELDS } from '../../domain/personal-data.ts';

export interface ParsedRequest {
  param?: object;
  json?: object;
  /** The condition in the request's headers; undefined if there is none. */
  ifMatch?: unknown;
  /**
   * What stands for the personal fields of the body, so that nobody can find out from a fingerprint what they were: with the current key
   * first, and with those before it.
   */
  hashPersonal?: ((fields: string) => readonly string[]) | undefined;
}

/**
 * Two requests are the same if the caller sent the same, however this release reads it. Otherwise a release that adds a default would
 * take the retry of an older request for a different request.
 */
export async function takeFingerprints(
  c: Context,
  operation: string,
  { param, json, ifMatch, hashPersonal }: ParsedRequest,
): Promise<Pick<KeyedCall, 'fingerprint' | 'earlierFingerprint'>> {
  const sent: unknown = json === undefined ? undefined : await c.req.json();
  const { body, personal } = setApart(sent);
  if (personal !== undefined) {
    // Releases before 0.4 knew no such fields, so what is compared besides is the same request under the key before the current one.
    const [current, earlier] = hashPersonal?.(JSON.stringify(personal, sortKeys)) ?? [];
    if (current === undefined) throw new Error(`Nothing hides the personal fields of ${operation}.`);
    const under = (hash: string) => fingerprint({ param, json: body, ifMatch, personal: hash });
    return { fingerprint: under(current), earlierFingerprint: under(earlier ?? current) };
  }
  return {
    fingerprint: fingerprint({ param, json: body, ifMatch }),
    earlierFingerprint: fingerprint({ param, json: toEarlierForm(operation, body), ifMatch }),
  };
}

/** Takes the personal fields out of a body; undefined if it has none. */
function setApart(sent: unknown): { body: unknown; personal: object | undefined } {
  if (typeof sent !== 'object' || sent === null) return { body: sent, personal: undefined };
  const isPersonal = ([name]: [string, unknown]) => PERSONAL_FIELDS.some((field) => field === name);
  const personal = Object.entries(sent).filter(isPersonal);
  if (personal.length === 0) return { body: sent, personal: undefined };
  const others = Object.entries(sent).filter((entry) => !isPersonal(entry));
  return { body: Object.fromEntries(others), personal: Object.fromEntries(personal) };
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
