/** Answers a POST once: the same key and request get the same answer, however often and after whatever crash. */
import { createHash } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { v7 as uuidv7 } from 'uuid';
import { claimKey, keepAnswer, releaseKey, type Answer, type KeyedCall } from '../db/idempotency.ts';
import { IDEMPOTENCY_KEY_MAX, IDEMPOTENCY_KEY_PATTERN } from '../domain/text.ts';
import type { Dependencies } from './dependencies.ts';
import { PROBLEM_JSON, Problem } from './problems.ts';

/** The header in the OpenAPI document. It is checked after the rest of the request, so it is no part of its schemas. */
export const IDEMPOTENCY_KEY_PARAMETER = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: true,
  description:
    'Names the intent: a retry with the same key and request gets the first answer, marked with `Idempotency-Replayed: true`.',
  schema: {
    type: 'string' as const,
    minLength: 1,
    maxLength: IDEMPOTENCY_KEY_MAX,
    pattern: IDEMPOTENCY_KEY_PATTERN,
  },
  example: '7f0c7f6e-5d1b-4f0e-9d55-0c1b1f5c2a11',
};

interface ParsedRequest {
  param?: object;
  json?: object;
  /** What the change is conditional on, from its headers; undefined when it is not. */
  ifMatch?: unknown;
}

export interface KeyedRequest {
  /** The route's operationId. */
  operation: string;
  /** The path's parameters and the body, validated. */
  request: ParsedRequest;
  /** Where the thing that a 201 made is found: this path and the command's id. */
  location?: string;
}

/**
 * Runs `effect` for a request that nobody has answered, and keeps its answer: a success, or a problem that the effect
 * decided. What may be different next time (a 5xx, a problem that is not final) is not kept.
 * @param effect gets the id that is the same at every retry of this request, and must be idempotent by it.
 * @throws {Problem} when the key is missing, was used for something else, or its first request still runs.
 */
export async function answerOnce(
  c: Context,
  { database, logger }: Dependencies,
  { operation, request, location }: KeyedRequest,
  effect: (commandId: string) => Promise<{ status: 200 | 201; body: object }>,
): Promise<Response> {
  const call: KeyedCall = { operation, key: keyOf(c), ...(await takeFingerprints(c, operation, request)) };
  const claim = await claimKey(database, call, uuidv7());
  switch (claim.state) {
    case 'reused':
      throw new Problem('idempotency_key_reused', 'The first request with this key had other contents.');
    case 'in_progress':
      throw new Problem(
        'idempotency_in_progress',
        'The first request with this key has not been answered yet.',
      );
    case 'answered':
      c.header('Idempotency-Replayed', 'true');
      return reply(c, claim.answer, claim.commandId, location);
    case 'claimed':
      return reply(c, await work(claim.commandId), claim.commandId, location);
  }

  async function work(commandId: string): Promise<Answer> {
    const answer = await finalAnswer(commandId);
    try {
      return await keepAnswer(database, call, answer);
    } catch (error) {
      // The effect is there, and a retry comes to the same answer by the command's id.
      logger.warn({ err: error, operation, commandId }, 'the answer to an idempotent request was not kept');
      return answer;
    }
  }

  async function finalAnswer(commandId: string): Promise<Answer> {
    try {
      return await effect(commandId);
    } catch (error) {
      if (error instanceof Problem && error.kind.status < 500 && error.kind.isFinal !== false)
        return { status: error.kind.status, body: error.document };
      await release();
      throw error;
    }
  }

  async function release(): Promise<void> {
    try {
      await releaseKey(database, call);
    } catch (error) {
      logger.debug({ err: error, operation }, 'the claim on an idempotency key was left to run out');
    }
  }
}

/** @throws {Problem} when it is missing or unusable. */
export function keyOf(c: Context): string {
  const key = c.req.header('Idempotency-Key');
  if (key === undefined || key === '')
    throw new Problem('idempotency_key_missing', 'This call needs the header.');
  if (isRepeated(c, key)) throw new Problem('idempotency_key_invalid', 'The header was sent more than once.');
  if (!KEY.test(key))
    throw new Problem(
      'idempotency_key_invalid',
      `A key is 1 to ${IDEMPOTENCY_KEY_MAX} printable ASCII characters.`,
    );
  return key;
}

const KEY = new RegExp(IDEMPOTENCY_KEY_PATTERN);

/**
 * Whether the header came more than once. Node and `Headers` join the values, and one key may have a comma: so what counts is what
 * came in over the wire, and, without a wire, whether the joined values are equal.
 */
function isRepeated(c: Context, key: string): boolean {
  const incoming: unknown = c.env?.incoming;
  if (incoming instanceof IncomingMessage) {
    const names = incoming.rawHeaders.filter((_, index) => index % 2 === 0);
    return names.filter((name) => name.toLowerCase() === 'idempotency-key').length > 1;
  }
  const values = key.split(', ');
  return values.length > 1 && new Set(values).size === 1;
}

/**
 * Two requests are the same when the caller sent the same, whatever this release makes of it. Otherwise a release that adds a
 * default would take the retry of an older request for a different one.
 */
async function takeFingerprints(
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

function reply(
  c: Context,
  { status, body }: Answer,
  commandId: string,
  location: string | undefined,
): Response {
  if (!isContentful(status)) throw new Error(`An answer was kept with status ${status}.`);
  if (status === 201 && location) c.header('Location', `${location}/${commandId}`);
  return c.body(JSON.stringify(body), status, {
    'Content-Type': status < 400 ? 'application/json' : PROBLEM_JSON,
  });
}

function isContentful(status: number): status is ContentfulStatusCode {
  return status === 200 || status === 201 || (status >= 400 && status < 500);
}
