/** Sends a request, and again until its answer is final or patience ends: always the same request, with the same key. */
import type { Clock } from './clock.ts';
import { NoAnswerError, UnexpectedAnswerError } from './errors.ts';
import { mayChange, pauseAfter, type Attempt } from './pauses.ts';

export type Fetch = (address: string, init: RequestInit) => Promise<Response>;

/** Who calls: an API key or a token. A function is asked at every attempt, for tokens that are renewed. */
export type Key = string | (() => string | Promise<string>);

export interface Caller {
  key: Key;
  shop: string | undefined;
}

/** How Holdfast is reached. */
export interface Connection extends Caller {
  /** Without a slash at its end. */
  address: string;
  fetch: Fetch;
  clock: Clock;
  timeout: number;
  patience: number;
}

export interface SendOptions {
  idempotencyKey?: string;
  signal?: AbortSignal;
  patience?: number;
  timeout?: number;
}

export type Transport = (request: Request, options: SendOptions) => Promise<Response>;

export function createTransport(settings: Connection): Transport {
  const { fetch, clock } = settings;

  return async function sendUntilAnswered(request, options) {
    const { patience = settings.patience, timeout = settings.timeout } = options;
    const signal = options.signal ?? request.signal;
    const headers = new Headers(request.headers);
    if (request.method === 'POST') nameIntent(headers, options.idempotencyKey);
    const idempotencyKey = headers.get('idempotency-key') ?? undefined;
    const isRepeatable =
      idempotencyKey !== undefined || !(headers.has('if-match') || headers.has('if-none-match'));
    const { method, url } = request;
    // Not `request.body`, which Firefox does not have.
    const body = method === 'GET' || method === 'HEAD' ? null : (await request.text()) || null;
    const begun = clock.now();

    for (let attempts = 1; ; attempts += 1) {
      signal.throwIfAborted();
      const outcome = await attempt();
      const attempted = { ...describe(outcome), isRepeatable: isRepeatable || method === 'GET' };
      const pause = pauseAfter(attempted.retryAfter, attempts - 1, clock);
      const goesOn = mayChange(attempted) && clock.now() - begun + pause <= patience;
      if (!goesOn) {
        if ('response' in outcome) return toResponse(outcome, idempotencyKey);
        throw new NoAnswerError(attempts, idempotencyKey, outcome.error);
      }
      await clock.sleep(pause, signal);
    }

    /** Until the whole body is there: an answer that breaks off is none. */
    async function attempt(): Promise<Outcome> {
      await authorise(headers, settings);
      try {
        const response = await fetch(url, {
          method,
          headers,
          body,
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
          // Holdfast sends nobody elsewhere, and what stands before it must not turn a POST into a GET.
          redirect: 'manual',
        });
        return { response, text: await response.text() };
      } catch (error) {
        signal.throwIfAborted();
        return { error };
      }
    }
  };
}

interface Answered {
  response: Response;
  text: string;
}
type Outcome = Answered | { error: unknown };

/** Sets what says who calls, and in which shop. */
export async function authorise(headers: Headers, { key, shop }: Caller): Promise<void> {
  headers.set('authorization', `Bearer ${typeof key === 'string' ? key : await key()}`);
  if (shop !== undefined && !headers.has('holdfast-shop')) headers.set('holdfast-shop', shop);
}

function nameIntent(headers: Headers, given: string | undefined): void {
  if (given !== undefined) headers.set('idempotency-key', given);
  else if (!headers.has('idempotency-key')) headers.set('idempotency-key', randomKey());
}

/** 128 bits. `randomUUID` is missing from pages that are not served by HTTPS. */
const randomKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );

function describe(outcome: Outcome): Omit<Attempt, 'isRepeatable'> {
  if (!('response' in outcome)) return { status: undefined, code: undefined, retryAfter: null };
  const { response, text } = outcome;
  return {
    status: response.status,
    code: codeIn(response, text),
    retryAfter: response.headers.get('retry-after'),
  };
}

function codeIn({ headers }: Response, text: string): string | undefined {
  if (headers.get('content-type')?.startsWith('application/problem+json') !== true) return undefined;
  const document = parseBody(text);
  const isProblem = typeof document === 'object' && document !== null && 'code' in document;
  return isProblem && typeof document.code === 'string' ? document.code : undefined;
}

/** As it is, if it is not JSON. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The same response with its body still to be read, and with the key that it answers. */
function toResponse({ response, text }: Answered, idempotencyKey: string | undefined): Response {
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  const sent = { idempotencyKey, requestId: headers.get('x-request-id') ?? undefined };
  // In a browser, a redirect that is not followed has no status.
  if (status < 200) throw new UnexpectedAnswerError(status, 'a redirect', sent);
  const isJson = headers.get('content-type')?.startsWith('application/json') === true;
  if (response.ok && text !== '' && !isJson) throw new UnexpectedAnswerError(status, 'not JSON', sent);
  if (idempotencyKey !== undefined) headers.set('idempotency-key', idempotencyKey);
  // It was decoded when it was read.
  for (const name of ['content-encoding', 'content-length']) headers.delete(name);
  return new Response(text === '' ? null : text, { status, statusText, headers });
}
