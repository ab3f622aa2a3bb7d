/** Answers a POST once: the same key and request get the same answer, however often and after whatever crash. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { v7 as uuidv7 } from 'uuid';
import { claimKey, keepAnswer, releaseKey, type Answer, type KeyedCall } from '../../db/idempotency.ts';
import type { Dependencies } from '../dependencies.ts';
import { takeFingerprints, type ParsedRequest } from './fingerprint.ts';
import { readKey } from './key.ts';
import { PROBLEM_JSON, Problem } from '../problems/problem.ts';

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
  const call: KeyedCall = { operation, key: readKey(c), ...(await takeFingerprints(c, operation, request)) };
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
