/** How the OpenAPI document describes problems. */
import { z, type RouteConfig } from '@hono/zod-openapi';
import { PROBLEM_JSON, Problem } from '../problems/problem.ts';
import { PROBLEMS, type ProblemCode } from '../problems/table.ts';

const remedies = Object.entries(PROBLEMS).map(
  ([code, { status, remedy }]) => `- \`${code}\` (${status}): ${remedy}`,
);

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: 'What happened this time, for people.' }),
    code: z.enum(Object.keys(PROBLEMS)).openapi({
      description: `Decide by this code. The list is closed:\n${remedies.join('\n')}`,
    }),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .openapi({ description: 'What is wrong with the request, by field.' }),
    orderId: z
      .string()
      .optional()
      .openapi({ description: 'The order that was recorded, though it was rejected or cancelled.' }),
    paymentId: z
      .string()
      .optional()
      .openapi({ description: 'The payment that was recorded, though it was declined.' }),
    onHand: z.int().optional().openapi({ description: 'With `on_hand_changed`: the units on hand now.' }),
  })
  .openapi('Problem', { description: 'A problem document, RFC 9457.' });

/** Problems of an address or of headers that are too long, whatever they are about. */
export const LENGTH_PROBLEMS = ['address_too_long', 'headers_too_large'] as const;
/** Problems that every call under /v1 may answer with. */
const ALWAYS = [
  ...LENGTH_PROBLEMS,
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'overloaded',
  'unavailable',
  'internal_error',
] as const;
/** Problems of calls that take a body. */
export const BODY_PROBLEMS = [
  'validation_failed',
  'malformed_body',
  'malformed_request',
  'request_timeout',
  'body_too_large',
  'unsupported_media_type',
] as const;
/** Problems of calls that need an Idempotency-Key. */
const KEY_PROBLEMS = [
  ...BODY_PROBLEMS,
  'idempotency_key_missing',
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'idempotency_in_progress',
] as const;

/** The problem responses of a call under /v1. */
export const problemResponses = (...codes: readonly ProblemCode[]): RouteConfig['responses'] =>
  onlyProblems(...codes, ...ALWAYS);

/** One response per status, with an example per code. */
export function onlyProblems(...codes: readonly ProblemCode[]): RouteConfig['responses'] {
  const byStatus = Map.groupBy(new Set(codes), (code) => PROBLEMS[code].status);
  return Object.fromEntries([...byStatus].map(([status, some]) => [status, describeResponse(some)]));
}

/** All responses of a call that writes its own reply: its success and its problems. */
export function responsesOf(
  success: RouteConfig['responses'],
  ...codes: readonly ProblemCode[]
): RouteConfig['responses'] {
  return { ...success, ...problemResponses(...codes) };
}

/** All responses of a call that needs an Idempotency-Key: its success and its problems. */
export function keyedResponses(
  success: RouteConfig['responses'],
  ...codes: readonly ProblemCode[]
): RouteConfig['responses'] {
  return responsesOf(success, ...KEY_PROBLEMS, ...codes);
}

function describeResponse(codes: readonly ProblemCode[]): RouteConfig['responses'][string] {
  const problems = codes.map((code) => new Problem(code, PROBLEMS[code].remedy));
  const retryAfter = problems.some(({ kind }) => kind.retryAfter !== undefined);
  return {
    description: problems.map(({ code, kind }) => `\`${code}\`: ${kind.title}.`).join('\n\n'),
    ...(retryAfter && {
      headers: { 'Retry-After': { description: 'Seconds to wait', schema: { type: 'integer' as const } } },
    }),
    content: {
      [PROBLEM_JSON]: {
        schema: problemSchema,
        examples: Object.fromEntries(problems.map(({ code, document }) => [code, { value: document }])),
      },
    },
  };
}
