/** Serves a process's metrics on a port of their own, which only what watches the process has to reach. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { METRICS_TYPE } from './metrics.ts';

const PATH = '/metrics';
const RETRY_AFTER_MS = 10_000;
/** For the connections of those who ask. */
const TIMES_MS = { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 75_000 };

export interface MetricsServerOptions {
  host: string;
  /** 0: none are served. */
  port: number;
  answer: () => Promise<string>;
  /** Ends it. */
  signal: AbortSignal;
  /** It listens. */
  listening: (address: { host: string; port: number }) => void;
  /** Gets why it does not listen, once, and whatever fails an answer. */
  report: (error: unknown) => void;
  /** While the port is taken; 10 seconds unless given. */
  retryAfterMs?: number;
}

/**
 * Resolves once the signal has fired. What watches a process never keeps it from its work: while the port is taken, it tries again.
 */
export async function serveMetrics(options: MetricsServerOptions): Promise<void> {
  const { host, port, signal, listening, report, retryAfterMs = RETRY_AFTER_MS } = options;
  if (port === 0 || signal.aborted) return;
  const server = createServer(TIMES_MS, (request, response) => void reply(request, response, options));
  let isReported = false;
  while (!signal.aborted) {
    try {
      await listen(server, host, port);
      listening({ host, port });
      break;
    } catch (error) {
      if (!isReported) report(error);
      isReported = true;
      await delay(retryAfterMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }
  if (!signal.aborted) await once(signal, 'abort');
  server.closeAllConnections();
  server.close();
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen({ host, port });
  await once(server, 'listening');
}

async function reply(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  { answer, report }: MetricsServerOptions,
): Promise<void> {
  try {
    if (url.split('?', 1)[0] !== PATH) return end(response, 404, `The metrics are at ${PATH}.\n`);
    if (method !== 'GET' && method !== 'HEAD') return end(response, 405, 'Metrics are only read.\n');
    const text = await answer();
    response.writeHead(200, { 'content-type': METRICS_TYPE }).end(text);
  } catch (error) {
    report(error);
    end(response, 500, 'The cause was logged.\n');
  }
}

const end = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
};
