/** The HTTP server around the API: how long a caller may take to send and to read, what is too long, and the answer to invalid HTTP. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Logger } from 'pino';
import { Problem } from '../problems/problem.ts';
import { BODY_LIMITS } from './body.ts';
import { answerUnparsed, serialize, toParserProblem, toResponse } from './unparsed.ts';
import { READ_PATIENCE_MS, cutOffUnread } from './unread-answers.ts';

/** Enough for the clocks and timers of the two sides to differ. */
const MARGIN_MS = 5_000;
/** How often Node checks for connections that take too long. */
const CHECK_EVERY_MS = 5_000;
/** How long a caller has to read why its connection ends. */
const LINGER_MS = 1_000;

/** The address and the headers together. Node's default, here because callers are promised it. */
export const HEADERS_LIMIT = 16 * 1024;
/** In the address alone: RFC 9110 asks for 8,000 at least. The longest address that Holdfast gives has some 400. */
export const ADDRESS_LIMIT = 8_000;
/** Far above what a caller and its proxies send. Node drops those above its own limit silently, and with them perhaps the key. */
export const HEADER_COUNT_LIMIT = 100;
/**
 * Milliseconds from the first byte of a request, or from the start of a connection, to the end of the headers. An idle connection
 * between two requests does not count.
 */
export const HEADER_PATIENCE_MS = 10_000;

/** How long a connection may take, in milliseconds. Node gives up on a request only after the API would have answered 408. */
export function connectionTimes(keepAlive: number): {
  keepAliveTimeout: number;
  headersTimeout: number;
  requestTimeout: number;
} {
  return {
    keepAliveTimeout: keepAlive,
    headersTimeout: HEADER_PATIENCE_MS,
    requestTimeout: HEADER_PATIENCE_MS + BODY_LIMITS.patience + MARGIN_MS,
  };
}

type Fetch = Parameters<typeof getRequestListener>[0];

export interface Connections {
  /** Milliseconds that a connection stays open without a request. */
  keepAlive: number;
  /** Milliseconds that an answer may wait for its reader. */
  readPatience?: number;
}

export function createApiServer(
  fetch: Fetch,
  { keepAlive, readPatience = READ_PATIENCE_MS }: Connections,
  logger: Logger,
): Server {
  const listener = getRequestListener(fetch, { errorHandler: refuse });
  const server = createServer({
    ...connectionTimes(keepAlive),
    connectionsCheckingInterval: CHECK_EVERY_MS,
    maxHeaderSize: HEADERS_LIMIT,
    // Node would answer with an empty body. The listener refuses such a request, too.
    requireHostHeader: false,
  });
  // Counted below, so that none is dropped.
  server.maxHeadersCount = 0;
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => {
    answers.set(request.socket, response);
    const problem = findExcess(request);
    if (problem === undefined) return void listener(request, response);
    // The rest of the request is not read.
    response.shouldKeepAlive = false;
    answerUnparsed(response, problem);
  });
  // RFC 9110 lets a server ignore an expectation it does not know.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  // Without a listener Node closes the connection, and the caller learns nothing.
  server.on('connect', (_request, socket) =>
    end(socket, new Problem('malformed_request', 'This server is no proxy.')),
  );
  server.on('clientError', (error, socket) => {
    const answer = answers.get(socket);
    // Nothing can be written into an answer that has begun.
    const mayWrite = socket.writable && (!answer?.headersSent || answer.writableFinished);
    if (mayWrite) end(socket, toParserProblem(error));
    else socket.destroy();
  });
  cutOffUnread(server, logger, readPatience);
  return server;

  /** Answers what the listener cannot turn into a request. */
  function refuse(error: unknown): Response {
    const isCallersFault = error instanceof Error && error.name === 'RequestError';
    if (!isCallersFault) logger.error({ err: error }, 'request');
    const problem = isCallersFault
      ? new Problem('malformed_request', `${error.message}.`)
      : new Problem('internal_error', 'The cause was logged.');
    return toResponse(problem);
  }
}

/** What is too long in the address or too many in the headers of a request. */
function findExcess({ url = '', rawHeaders }: IncomingMessage): Problem | undefined {
  if (url.length > ADDRESS_LIMIT)
    return new Problem('address_too_long', `The address can have at most ${ADDRESS_LIMIT} characters.`);
  if (rawHeaders.length / 2 > HEADER_COUNT_LIMIT)
    return new Problem('headers_too_large', `A request can have at most ${HEADER_COUNT_LIMIT} headers.`);
  return undefined;
}

function end(socket: Duplex, problem: Problem): void {
  socket.end(serialize(problem));
  // Node no longer watches this connection, and the caller may keep its side open.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
