/** Answers a caller's POST once: the same key and request get the same answer, however often they are sent and whatever crashes. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { v7 as uuidv7 } from 'uuid';
import { stringifyExactly } from '../../db/exact-integers.ts';
import {
  claimKey,
  keepAnswer,
  releaseKey,
  type Answer,
  type KeptKey,
  type KeyedCall,
} from '../../db/idempotency.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { setLocation } from '../http/addresses.ts';
import { PROBLEM_JSON, Problem } from '../problems/problem.ts';
import { takeFingerprints, type ParsedRequest } from './fingerprint.ts';
import { readKey } from './key.ts';

export interface KeyedRequest {
  /** The route's operationId. */
  operation: string;
  /** The path's parameters and the body, validated. */
  request: ParsedRequest;
  /** Where to read what a 201 shows. */
  location?: (commandId: string) => string;
}

/**
 * Runs `effect` for a request that was not answered before, and keeps its answer: a success or a final problem. An answer that may be
 * different next time (a 5xx, or a problem that is not final) is not kept.
 * @param effect receives an id that is the same for every retry of this request, and must be idempotent by it; and whether another request
 *   has worked on it before.
 * @throws {Problem} when the key is missing, was used for another request, or its first request is still running.
 */
export async function answerOnce(
  c: Context<ApiEnv>,
  { database, logger }: Pick<Dependencies, 'database' | 'logger'>,
  { operation, request, location }: KeyedRequest,
  effect: (commandId: string, isRetry: boolean) => Promise<{ status: 200 | 201; body: object }>,
): Promise<Response> {
  const { id: caller, shop } = c.var.caller;
  const fingerprints = await takeFingerprints(c, operation, request);
  const { requestId } = c.var;
  const call: KeyedCall = { caller, shop, operation, key: readKey(c), requestId, ...fingerprints };
  const newCommandId = uuidv7();
  const claim = await claimKey(database, call, newCommandId);
  switch (claim.state) {
    case 'reused':
      throw new Problem('idempotency_key_reused', 'The first request with this key was a different one.');
    case 'in_progress':
      throw new Problem(
        'idempotency_in_progress',
        'The first request with this key has not been answered yet.',
      );
    case 'answered':
      return send(claim.commandId, claim.answer, true);
    case 'claimed':
      return carryOut(claim.commandId, claim.kept);
  }

  async function carryOut(commandId: string, kept: KeptKey): Promise<Response> {
    const answer = await decideAnswer(commandId, kept);
    try {
      const first = await keepAnswer(database, kept, answer);
      return send(commandId, first, first !== answer);
    } catch (error) {
      // The effect is done, and a retry reaches the same answer through the command's id.
      logger.warn({ err: error, operation, commandId }, 'could not keep the answer to an idempotent request');
      return send(commandId, answer, false);
    }
  }

  async function decideAnswer(commandId: string, kept: KeptKey): Promise<Answer> {
    try {
      const { status, body } = await effect(commandId, commandId !== newCommandId);
      return { status, body: stringifyExactly(body) };
    } catch (error) {
      if (error instanceof Problem && error.kind.status < 500 && error.kind.isFinal !== false)
        return { status: error.kind.status, body: JSON.stringify(error.document) };
      await releaseClaim(kept);
      throw error;
    }
  }

  async function releaseClaim(kept: KeptKey): Promise<void> {
    try {
      await releaseKey(database, kept);
    } catch (error) {
      logger.debug(
        { err: error, operation },
        'could not release the claim on an idempotency key: it expires by itself',
      );
    }
  }

  function send(commandId: string, { status, body }: Answer, isReplayed: boolean): Response {
    if (!isContentful(status))
      throw new Error(`The kept answer has status ${status}, which no answer can have.`);
    if (isReplayed) c.header('Idempotency-Replayed', 'true');
    if (status === 201 && location) setLocation(c, location(commandId));
    if (status >= 400) c.set('problemCode', codeOf(body));
    return c.body(body, status, {
      'Content-Type': status < 400 ? 'application/json' : PROBLEM_JSON,
    });
  }
}

/** Of a problem document. */
function codeOf(body: string): string {
  const problem: unknown = JSON.parse(body);
  const isCoded = typeof problem === 'object' && problem !== null && 'code' in problem;
  return isCoded ? String(problem.code) : '';
}

function isContentful(status: number): status is ContentfulStatusCode {
  return status === 200 || status === 201 || (status >= 400 && status < 500);
}
