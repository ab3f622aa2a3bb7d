/** The HTTP server around the API: how long connections may be idle or slow, and the answer to invalid HTTP. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Logger } from 'pino';
import { PROBLEM_JSON, Problem } from '../problems/problem.ts';
import { BODY_LIMITS } from './body.ts';

/** Enough for the clocks and timers of the two sides to differ. */
const MARGIN_MS = 5_000;
/** How often Node checks for connections that take too long. */
const CHECK_EVERY_MS = 5_000;
/** How long a caller has to read why its connection ends. */
const LINGER_MS = 1_000;

/**
 * How long a connection may take, in milliseconds. Headers may take longer than an idle connection stays open, or a request sent just
 * before the end would be refused. And Node gives up on a request only after the API would have answered 408.
 */
export function connectionTimes(keepAlive: number): {
  keepAliveTimeout: number;
  headersTimeout: number;
  requestTimeout: number;
} {
  const headersTimeout = keepAlive + MARGIN_MS;
  return {
    keepAliveTimeout: keepAlive,
    headersTimeout,
    requestTimeout: headersTimeout + BODY_LIMITS.patience + MARGIN_MS,
  };
}

type Fetch = Parameters<typeof getRequestListener>[0];

/** @param keepAlive milliseconds that a connection stays open without a request. */
export function createApiServer(fetch: Fetch, keepAlive: number, logger: Logger): Server {
  const listener = getRequestListener(fetch, { errorHandler: refuse });
  const server = createServer({
    ...connectionTimes(keepAlive),
    connectionsCheckingInterval: CHECK_EVERY_MS,
    // Node would answer with an empty body. The listener refuses such a request, too.
    requireHostHeader: false,
  });
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => {
    answers.set(request.socket, response);
    void listener(request, response);
  });
  // RFC 9110 lets a server ignore an expectation it does not know.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('clientError', (error, socket) => {
    const answer = answers.get(socket);
    // Nothing can be written into an answer that has begun.
    const mayWrite = socket.writable && (!answer?.headersSent || answer.writableFinished);
    if (!mayWrite) return void socket.destroy();
    socket.end(serialize(toParserProblem(error)));
    // Node no longer watches this connection, and the caller may keep its side open.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
  return server;

  /** Answers what the listener cannot turn into a request. */
  function refuse(error: unknown): Response {
    const isCallersFault = error instanceof Error && error.name === 'RequestError';
    if (!isCallersFault) logger.error({ err: error }, 'request');
    const problem = isCallersFault
      ? new Problem('malformed_request', `${error.message}.`)
      : new Problem('internal_error', 'The cause was logged.');
    return new Response(JSON.stringify(problem.document), {
      status: problem.kind.status,
      headers: { 'Content-Type': PROBLEM_JSON },
    });
  }
}

/** The problem that Node's HTTP parser ran into. */
function toParserProblem(error: Error): Problem {
  const code = 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem('request_timeout', 'The request did not arrive in time.');
    case 'HPE_HEADER_OVERFLOW':
      return new Problem('headers_too_large', 'The address and headers can be at most 16 KiB together.');
    default:
      return new Problem('malformed_request', 'The request is not valid HTTP.');
  }
}

function serialize({ document, kind }: Problem): string {
  const body = JSON.stringify(document);
  return [
    `HTTP/1.1 ${kind.status} ${kind.title}`,
    `Content-Type: ${PROBLEM_JSON}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
