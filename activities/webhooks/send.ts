/** Sends one message to its receiver, and says what came of it. Nothing that a receiver does makes it throw. */
import { errors, request, type Dispatcher } from 'undici';
import type { AttemptFailure, AttemptOutcome } from '../../domain/webhook-attempts.ts';
import { HostUnknownError, WebhookAddressError } from '../../domain/webhook-addresses.ts';
import { WEBHOOK_ANSWER_MS, WEBHOOK_DRAIN_MS } from '../../domain/timeouts.ts';
import { signatureHeaders, type Message } from './sign.ts';

export interface Envelope extends Message {
  url: string;
  /** At least one, as `whsec_...`. */
  secrets: readonly string[];
  /** Besides those of every message. */
  headers?: Readonly<Record<string, string>>;
}

/** What is read of an answer, which says nothing that anybody needs: only so that the connection can be used again. */
const MOST_READ_BYTES = 64 * 1_024;

/**
 * Posts a message. The receiver has taken it as soon as it answers with a status of 200 to 299, whatever follows.
 * @param dispatcher judges every address: see agent.ts.
 */
export async function send(dispatcher: Dispatcher, envelope: Envelope): Promise<AttemptOutcome> {
  const startedAt = performance.now();
  const end = (failure: AttemptFailure | null, status: number | null, cause: string | null = null) => ({
    failure,
    status,
    cause,
    durationMs: Math.round(performance.now() - startedAt),
  });
  try {
    const { url, body, secrets, headers } = envelope;
    const answer = await request(url, {
      dispatcher,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Holdfast',
        ...headers,
        // The real time: a receiver compares it with its own.
        ...signatureHeaders(envelope, secrets, new Date()),
      },
      body,
      signal: AbortSignal.timeout(WEBHOOK_ANSWER_MS),
      headersTimeout: 0,
      bodyTimeout: WEBHOOK_DRAIN_MS,
    });
    const outcome = end(failureOf(answer.statusCode), answer.statusCode);
    await drain(answer.body);
    return outcome;
  } catch (error) {
    const [failure, cause] = failureOfError(error);
    return end(failure, null, cause);
  }
}

function failureOf(status: number): AttemptFailure | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return 'redirected';
  return status === 410 ? 'gone' : 'refused';
}

/** Reads a short answer to its end. A connection whose answer goes on is closed. */
async function drain(body: Dispatcher.ResponseData['body']): Promise<void> {
  const late = setTimeout(() => body.destroy(), WEBHOOK_DRAIN_MS);
  let read = 0;
  try {
    for await (const chunk of body) {
      read += Buffer.byteLength(chunk);
      if (read > MOST_READ_BYTES) break;
    }
  } catch {
    // The event was taken or not by then.
  } finally {
    clearTimeout(late);
    body.destroy();
  }
}

const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
  'EINVAL',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const CONNECTION_LOST = new Set([
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
]);

function failureOfError(error: unknown): readonly [AttemptFailure, string | null] {
  if (error instanceof HostUnknownError) return ['host_unknown', null];
  if (error instanceof WebhookAddressError) return ['address_refused', null];
  if (!(error instanceof Error)) return ['not_connected', null];
  if (error.name === 'TimeoutError') return ['no_answer', null];
  if (error instanceof errors.HTTPParserError) return ['not_http', error.code];
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (code === null) return ['not_connected', error.name];
  if (NOT_CONNECTED.has(code)) return ['not_connected', code];
  if (CONNECTION_LOST.has(code)) return ['connection_lost', code];
  if (code.startsWith('UND_ERR_')) return ['not_http', code];
  return ['tls_failed', code];
}
