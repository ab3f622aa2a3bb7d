/** Follows an order's events as they happen, over as many connections as it takes. */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { HoldfastProblem, NoAnswerError, UnexpectedAnswerError, toError } from './errors.ts';
import { isLast } from './events.ts';
import type { Event } from './generated/types.ts';
import { mayChange, pauseAfter } from './pauses.ts';
import { authorise, parseBody, type Connection } from './transport.ts';

/** A restart of everything does not end a stream. */
const PATIENCE_MS = 300_000;
/** Three times as long as Holdfast is ever silent. */
const SILENCE_MS = 45_000;
/** In characters; no event is near it. */
const LONGEST_EVENT = 1_000_000;

export interface StreamOptions {
  /** The version of the last event that is known already: later ones follow. All of the order's events unless given. */
  after?: number;
  /** Ends the stream: the loop over it then throws the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds without a connection until the stream fails; 5 minutes unless given. */
  patience?: number;
  /** Milliseconds without a sign of life until a connection is given up; 45,000 unless given. */
  silence?: number;
}

/**
 * Every event of the order, once and in order. Ends with the order's last event; an order that stays paid may still be refunded, so
 * its stream goes on until you leave it.
 */
export async function* streamOrder(
  connection: Connection,
  orderId: string,
  { after = 0, signal, patience = PATIENCE_MS, silence = SILENCE_MS }: StreamOptions = {},
): AsyncGenerator<Event, void, undefined> {
  const { clock } = connection;
  const path = `/v1/orders/${encodeURIComponent(orderId)}/stream`;
  let last = after;
  let failures = 0;
  let reconnectMs = 0;
  let connectedAt = clock.now();

  for (;;) {
    signal?.throwIfAborted();
    const opened = await open(connection, path, last, signal);
    // Nothing is left, and nothing will come.
    if (opened === 'ended') return;
    failures += 1;
    if ('body' in opened) {
      for await (const { data } of messagesIn(opened.body, silence, (ms) => (reconnectMs = ms))) {
        failures = 0;
        // Written by Holdfast, and therefore of this shape.
        const event: Event = JSON.parse(data);
        if (event.data.version <= last) continue;
        last = event.data.version;
        yield event;
        if (isLast(event)) return;
      }
      connectedAt = clock.now();
    }
    const pause = Math.max(
      reconnectMs,
      pauseAfter('body' in opened ? null : opened.retryAfter, failures, clock),
    );
    if ('error' in opened && clock.now() - connectedAt + pause > patience)
      throw opened.error instanceof NoAnswerError
        ? new NoAnswerError(failures, undefined, opened.error.cause)
        : opened.error;
    signal?.throwIfAborted();
    await clock.sleep(pause, signal);
  }
}

type Opened = 'ended' | { body: ReadableStream<Uint8Array> } | { error: Error; retryAfter: string | null };

/** @throws what no further attempt would change. */
async function open(
  connection: Connection,
  path: string,
  last: number,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  const response = await connect(connection, path, last, signal);
  if (response instanceof NoAnswerError) return { error: response, retryAfter: null };
  if (response.status === 204) return 'ended';
  if (response.ok) {
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    if (isStream && response.body !== null) return { body: response.body };
    throw new UnexpectedAnswerError(response.status, 'no stream of events');
  }
  const error = toError(response, parseBody(await response.text()));
  const retryAfter = response.headers.get('retry-after');
  const code = error instanceof HoldfastProblem ? error.code : undefined;
  if (mayChange({ status: response.status, code, retryAfter, isRepeatable: true }))
    return { error, retryAfter };
  throw error;
}

/** Resolves when the headers are there. The body may take as long as the order does. */
async function connect(
  connection: Connection,
  path: string,
  last: number,
  signal: AbortSignal | undefined,
): Promise<Response | NoAnswerError> {
  const headers = new Headers({ accept: 'text/event-stream' });
  if (last > 0) headers.set('last-event-id', String(last));
  await authorise(headers, connection);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error('No answer came in time.')), connection.timeout);
  try {
    return await connection.fetch(`${connection.address}${path}`, {
      headers,
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      redirect: 'manual',
    });
  } catch (error) {
    signal?.throwIfAborted();
    return new NoAnswerError(1, undefined, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends when the connection does, in whatever way: what is missing follows on the next one. */
async function* messagesIn(
  body: ReadableStream<Uint8Array>,
  silence: number,
  onRetry: (ms: number) => void,
): AsyncGenerator<EventSourceMessage> {
  const messages: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (message) => messages.push(message),
    onRetry,
    maxBufferSize: LONGEST_EVENT,
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const bytes = await readInTime(reader, silence);
      if (bytes === undefined) return;
      parser.feed(decoder.decode(bytes, { stream: true }));
      yield* messages.splice(0);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Undefined at the end, and when the connection is lost or silent. */
async function readInTime(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  silence: number,
): Promise<Uint8Array | undefined> {
  const silent = setTimeout(() => void reader.cancel().catch(() => {}), silence);
  try {
    return (await reader.read()).value;
  } catch {
    return undefined;
  } finally {
    clearTimeout(silent);
  }
}
