/** Everything that a call can fail with, apart from the caller's own signal. */
import { PROBLEM_CODES } from './generated/problem-codes.ts';
import type { Problem } from './generated/types.ts';

/** The closed list: a `switch` over it can be exhaustive. */
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** What is known of the request. */
export interface Sent {
  /** The key of a POST. Send the same request with it again, and you get its outcome. */
  idempotencyKey?: string | undefined;
  /** The `X-Request-Id` of the last answer, for reports. */
  requestId?: string | undefined;
}

/** Holdfast's answer is a problem: decide by its `code`. */
export class HoldfastProblem<Code extends ProblemCode = ProblemCode> extends Error implements Sent {
  override readonly name = 'HoldfastProblem';
  readonly code: Code;
  readonly status: number;
  readonly title: string;
  /** The whole document, with the members that only some codes have. */
  readonly document: Readonly<Problem>;
  /** Seconds after which it makes sense to send the same request again; undefined if nothing changes by itself. */
  readonly retryAfter: number | undefined;
  readonly idempotencyKey: string | undefined;
  readonly requestId: string | undefined;

  constructor(code: Code, document: Readonly<Problem>, retryAfter: number | undefined, sent: Sent) {
    super(`${code}: ${document.detail}`);
    this.code = code;
    this.status = document.status;
    this.title = document.title;
    this.document = document;
    this.retryAfter = retryAfter;
    this.idempotencyKey = sent.idempotencyKey;
    this.requestId = sent.requestId;
  }
}

/** Whether it is a problem, and one of these if any are given. */
export function isProblem<Code extends ProblemCode = ProblemCode>(
  error: unknown,
  ...codes: readonly Code[]
): error is HoldfastProblem<Code> {
  if (!(error instanceof HoldfastProblem)) return false;
  return codes.length === 0 || codes.some((code) => code === error.code);
}

/**
 * No whole answer arrived while there was patience. Whether the request had its effect is not known: to find out, send it again, a POST
 * with `idempotencyKey`.
 */
export class NoAnswerError extends Error implements Sent {
  override readonly name = 'NoAnswerError';
  readonly attempts: number;
  readonly idempotencyKey: string | undefined;

  constructor(attempts: number, idempotencyKey: string | undefined, cause: unknown) {
    const times = attempts === 1 ? 'one attempt' : `${attempts} attempts`;
    super(`Holdfast did not answer in ${times}: ${explain(cause)}`, { cause });
    this.attempts = attempts;
    this.idempotencyKey = idempotencyKey;
  }
}

/** `fetch` says why in the cause of what it throws. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

/** The answer is none that this client knows: of a gateway in between, for instance, or of a newer Holdfast. */
export class UnexpectedAnswerError extends Error implements Sent {
  override readonly name = 'UnexpectedAnswerError';
  readonly status: number;
  readonly idempotencyKey: string | undefined;
  readonly requestId: string | undefined;

  constructor(
    status: number,
    what: string,
    { idempotencyKey, requestId }: Sent = {},
    options?: ErrorOptions,
  ) {
    super(`The answer has status ${status} and is ${what}.`, options);
    this.status = status;
    this.idempotencyKey = idempotencyKey;
    this.requestId = requestId;
  }
}

/** @param body parsed, if it was JSON. */
export function toError(
  { status, headers }: Response,
  body: unknown,
): HoldfastProblem | UnexpectedAnswerError {
  const sent = {
    idempotencyKey: headers.get('idempotency-key') ?? undefined,
    requestId: headers.get('x-request-id') ?? undefined,
  };
  if (!isProblemDocument(body)) return new UnexpectedAnswerError(status, describe(body), sent);
  const { code } = body;
  const known = PROBLEM_CODES.find((one) => one === code);
  if (known === undefined)
    return new UnexpectedAnswerError(
      status,
      `the problem \`${code}\`, which this version does not know`,
      sent,
    );
  return new HoldfastProblem(known, body, readSeconds(headers), sent);
}

/** A server that sends more members than these is no other server. */
function isProblemDocument(body: unknown): body is Problem {
  return (
    typeof body === 'object' &&
    body !== null &&
    'code' in body &&
    typeof body.code === 'string' &&
    'detail' in body &&
    typeof body.detail === 'string' &&
    'title' in body &&
    'status' in body
  );
}

const describe = (body: unknown): string => {
  const text = typeof body === 'string' ? body.trim() : JSON.stringify(body);
  return text === undefined || text === '' ? 'empty' : `no problem of Holdfast: ${text.slice(0, 200)}`;
};

const readSeconds = (headers: Headers): number | undefined => {
  const asked = headers.get('retry-after');
  return asked !== null && /^\d+$/.test(asked) ? Number(asked) : undefined;
};
