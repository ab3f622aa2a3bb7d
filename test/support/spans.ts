/** A receiver of spans: a real HTTP server that takes OTLP in JSON, as a collector does, and keeps all that arrives. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const valueSchema = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
  z.unknown(),
]);
const spanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  status: z.object({ code: z.number().optional(), message: z.string().optional() }).optional(),
  attributes: z
    .array(z.object({ key: z.string(), value: valueSchema }))
    .transform((all) => Object.fromEntries(all.map(({ key, value }) => [key, value]))),
});
const bodySchema = z.object({
  resourceSpans: z.array(z.object({ scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })) })),
});
const addressSchema = z.object({ port: z.number() });

export type ReceivedSpan = z.output<typeof spanSchema>;

export interface SpanReceiver {
  /** Where spans are posted. */
  url: string;
  spans: ReceivedSpan[];
  /** All that arrived, as it came. */
  raw: () => string;
  /** The headers of each call. */
  headers: Record<string, unknown>[];
  close: () => Promise<void>;
}

export async function startSpanReceiver(): Promise<SpanReceiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const headers: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      bodies.push(body);
      headers.push(request.headers);
      for (const { scopeSpans } of bodySchema.parse(JSON.parse(body)).resourceSpans)
        spans.push(...scopeSpans.flatMap((scope) => scope.spans));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = addressSchema.parse(server.address());
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    spans,
    raw: () => bodies.join('\n'),
    headers,
    async close() {
      server.closeAllConnections();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** The names from a span up to the beginning of its trace, its own first. */
export function ancestry(spans: readonly ReceivedSpan[], span: ReceivedSpan): string[] {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return [span.name, ...(parent === undefined ? [] : ancestry(spans, parent))];
}
