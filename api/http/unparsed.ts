/** The answers to requests that never reach the API: those that Node's HTTP parser refuses, and those that are too long for it. */
import type { ServerResponse } from 'node:http';
import { PROBLEM_JSON, Problem } from '../problems/problem.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

/** The problem that Node's HTTP parser ran into. */
export function toParserProblem(error: Error): Problem {
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

/** As the API would answer, for a listener that returns responses. */
export function toResponse({ document, kind }: Problem): Response {
  const body = JSON.stringify(document);
  return new Response(body, { status: kind.status, headers: headersOf(body) });
}

/** As bytes, for a connection without a request. */
export function serialize({ document, kind }: Problem): string {
  const body = JSON.stringify(document);
  const headers = Object.entries({ ...headersOf(body), Connection: 'close' });
  return [
    `HTTP/1.1 ${kind.status} ${kind.title}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n');
}

export function answerUnparsed(response: ServerResponse, { document, kind }: Problem): void {
  const body = JSON.stringify(document);
  response.writeHead(kind.status, headersOf(body)).end(body);
}

const headersOf = (body: string): Record<string, string> => ({
  'Content-Type': PROBLEM_JSON,
  'Content-Length': String(Buffer.byteLength(body)),
  ...SECURITY_HEADERS,
});
