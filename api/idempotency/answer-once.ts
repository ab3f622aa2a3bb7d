/** Answers a POST once: the same key and request get the same answer, however often they are sent and whatever crashes. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { v7 as uuidv7 } from 'uuid';
import { claimKey, keepAnswer, releaseKey, type Answer, type KeyedCall } from '../../db/idempotency.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { PROBLEM_JSON, Problem } from '../problems/problem.ts';
import { takeFingerprints, type ParsedRequest } from './fingerprint.ts';
import { readKey } from './key.ts';

export interface KeyedRequest {
  /** The route's operationId. */
  operation: string;
  /** The path's parameters and the body, validated. */
  request: ParsedRequest;
  /** The collection in which a 201 creates something: its address is this path and the command's id. */
  location?: string;
}

/**
 * Runs `effect` for a request that was not answered before, and keeps its answer: a success or a final problem. An answer that may be
 * different next time (a 5xx, or a problem that is not final) is not kept.
 * @param effect receives an id that is the same for every retry of this request, and must be idempotent by it.
 * @throws {Problem} when the key is missing, was used for another request, or its first request is still running.
 */
export async function answerOnce(
  c: Context<ApiEnv>,
  { logger }: Pick<Dependencies, 'logger'>,
  { operation, request, location }: KeyedRequest,
  effect: (commandId: string) => Promise<{ status: 200 | 201; body: object }>,
): Promise<Response> {
  const { database, caller } = c.var;
  const call: KeyedCall = {
    caller: caller.id,
    shop: caller.shop,
    operation,
    key: readKey(c),
    ...(await takeFingerprints(c, operation, request)),
  };
  const claim = await claimKey(database, call, uuidv7());
  switch (claim.state) {
    case 'reused':
      throw new Problem('idempotency_key_reused', 'The first request with this key was a different one.');
    case 'in_progress':
      throw new Problem(
        'idempotency_in_progress',
        'The first request with this key has not been answered yet.',
      );
    case 'answered':
      c.header('Idempotency-Replayed', 'true');
      return sendAnswer(c, claim.answer, claim.commandId, location);
    case 'claimed':
      return sendAnswer(c, await carryOut(claim.commandId), claim.commandId, location);
  }

  async function carryOut(commandId: string): Promise<Answer> {
    const answer = await decideAnswer(commandId);
    try {
      return await keepAnswer(database, call, answer);
    } catch (error) {
      // The effect is done, and a retry reaches the same answer through the command's id.
      logger.warn({ err: error, operation, commandId }, 'could not keep the answer to an idempotent request');
      return answer;
    }
  }

  async function decideAnswer(commandId: string): Promise<Answer> {
    try {
      return await effect(commandId);
    } catch (error) {
      if (error instanceof Problem && error.kind.status < 500 && error.kind.isFinal !== false)
        return { status: error.kind.status, body: error.document };
      await releaseClaim();
      throw error;
    }
  }

  async function releaseClaim(): Promise<void> {
    try {
      await releaseKey(database, call);
    } catch (error) {
      logger.debug(
        { err: error, operation },
        'could not release the claim on an idempotency key: it expires by itself',
      );
    }
  }
}

function sendAnswer(
  c: Context,
  { status, body }: Answer,
  commandId: string,
  location: string | undefined,
): Response {
  if (!isContentful(status))
    throw new Error(`The kept answer has status ${status}, which no answer can have.`);
  if (status === 201 && location) c.header('Location', `${location}/${commandId}`);
  return c.body(JSON.stringify(body), status, {
    'Content-Type': status < 400 ? 'application/json' : PROBLEM_JSON,
  });
}

function isContentful(status: number): status is ContentfulStatusCode {
  return status === 200 || status === 201 || (status >= 400 && status < 500);
}
