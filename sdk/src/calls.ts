/** What a method of the client takes besides its arguments, and how it gets from a response to its result. */
import type { Client } from 'openapi-fetch';
import { toError } from './errors.ts';
import type { operations, paths } from './generated/types.ts';
import type { Transport } from './transport.ts';

/** Of one call. */
export interface CallOptions {
  /**
   * Names the intent of a POST: the same request with the same key gets the first answer, and nothing happens twice.
   * Take an id that you keep, such as that of the basket, so that a program that was ended in between goes on with it. Made at random
   * unless given, which covers retries within this call.
   */
  idempotencyKey?: string;
  /** Ends the call, its pauses included. What the request has begun by then goes on. */
  signal?: AbortSignal;
  /** Milliseconds until no further attempt is made; that of the client unless given. 0 sends the request once. */
  patience?: number;
  /** Milliseconds for one attempt; that of the client unless given. */
  timeout?: number;
  /** Sent as well, such as `If-Match`. */
  headers?: Readonly<Record<string, string>>;
}

/** What the generated methods are made of. */
export interface Answers {
  http: Client<paths>;
  /** Resolves with the body of a success. @throws {HoldfastProblem} */
  answer: <Data>(result: Promise<Result<Data>>) => Promise<Data>;
  sendWith: (options: CallOptions | undefined) => Sending;
}

/** The two kinds of result that `openapi-fetch` has. */
export type Result<Data> = Success<Data> | { data?: never; error: unknown; response: Response };

interface Success<Data> {
  data: Data;
  error?: never;
  response: Response;
}

const isSuccess = <Data>(result: Result<Data>): result is Success<Data> => result.response.ok;

interface Sending {
  fetch: (request: Request) => Promise<Response>;
  headers: Readonly<Record<string, string>>;
}

export const answersOf = (http: Client<paths>, transport: Transport): Answers => ({
  http,
  async answer(pending) {
    const result = await pending;
    if (isSuccess(result)) return result.data;
    throw toError(result.response, result.error);
  },
  sendWith: (options = {}) => ({
    fetch: (request) => transport(request, options),
    headers: options.headers ?? {},
  }),
});

/** What an operation takes in the query of its address. */
export type Query<Id extends keyof operations> = NonNullable<operations[Id]['parameters']['query']>;

/** The body that an operation takes. */
export type Body<Id extends keyof operations> =
  NonNullable<operations[Id]['requestBody']> extends { content: { 'application/json': infer Content } }
    ? Content
    : never;

/** The body that an operation answers with. */
export type Reply<Id extends keyof operations> = JsonOf<operations[Id]['responses']>;
type JsonOf<Responses> = {
  [Status in keyof Responses]: Responses[Status] extends { content: { 'application/json': infer Content } }
    ? Content
    : never;
}[keyof Responses];
