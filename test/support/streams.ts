/** Reads a stream of an order as its callers do. */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { inject } from 'vitest';
import type { PublishedEvent } from '../../domain/events.ts';

export interface StreamMessage {
  id: string | undefined;
  event: string | undefined;
  data: PublishedEvent;
}

export interface OpenStream {
  status: number;
  headers: Headers;
  /** What has arrived so far. */
  messages: StreamMessage[];
  /** Resolves once the server has ended it, or the caller has. */
  ended: Promise<void>;
  /** Hangs up. */
  close(): void;
}

interface StreamOptions {
  /** The development key unless given. */
  key?: string;
  lastEventId?: string;
  headers?: Record<string, string>;
}

export async function openStream(
  url: string,
  orderId: string,
  { key = inject('developmentKey'), lastEventId, headers = {} }: StreamOptions = {},
): Promise<OpenStream> {
  const closing = new AbortController();
  const answer = await fetch(`${url}/v1/orders/${orderId}/stream`, {
    signal: closing.signal,
    headers: {
      authorization: `Bearer ${key}`,
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      ...headers,
    },
  });
  const messages: StreamMessage[] = [];
  async function read(): Promise<void> {
    if (answer.status !== 200 || answer.body === null) return answer.body?.cancel();
    const parsed = answer.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const { id, event, data } of parsed) messages.push({ id, event, data: JSON.parse(data) });
  }
  return {
    status: answer.status,
    headers: answer.headers,
    messages,
    ended: read().catch((error: unknown) => {
      if (!closing.signal.aborted) throw error;
    }),
    close: () => closing.abort(),
  };
}
