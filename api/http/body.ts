/** Reads a request's body: complete, in time, in UTF-8, and before anything is claimed for the request. */
import { MIMEType } from 'node:util';
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { Problem } from '../problems/problem.ts';

export interface BodyLimits {
  bytes: number;
  /** Milliseconds from the end of the headers to the end of the body. */
  patience: number;
}

export const BODY_LIMITS: BodyLimits = { bytes: 64 * 1024, patience: 10_000 };

/**
 * Replaces the request with one whose body has arrived, and whose Content-Type only says whether it is JSON. Hono and its OpenAPI routes
 * alone would wait for a body however slow it is, decode invalid UTF-8 with replacement characters, and refuse valid spellings of the
 * media type.
 * @throws {Problem} when the body is too large, too slow, encoded, cut off, or not UTF-8.
 */
export function readBody(limits: BodyLimits): MiddlewareHandler {
  return async function readWholeBody(c, next) {
    // A request that matches no route gets 404 or 405, whatever its body is.
    const isRouted = matchedRoutes(c).some(({ method }) => method !== 'ALL');
    if (isRouted && c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      refuseEncoded(c);
      c.req.raw = replaceBody(c.req.raw, decode(await readBytes(c, limits)));
    }
    await next();
  };
}

function replaceBody(request: Request, text: string): Request {
  const type = request.headers.get('Content-Type');
  if (type === null) return withBody(request, text);
  return withBody(request, text, isJson(type) ? 'application/json' : 'application/octet-stream');
}

/** The same request with a body that has arrived, declared as this type. */
export function withBody(
  { url, method, headers: sent, signal }: Request,
  text: string,
  type?: string,
): Request {
  const headers = new Headers(sent);
  if (type !== undefined) headers.set('Content-Type', type);
  return new Request(url, { method, headers, body: text === '' ? null : text, signal });
}

/** For a call that takes no body. An empty object is accepted, because many clients always send one. */
export async function refuseBody(c: Context): Promise<void> {
  const body = (await c.req.text()).trim();
  if (body !== '' && !/^\{\s*\}$/.test(body))
    throw new Problem('validation_failed', 'This call takes no body.', {
      errors: [{ field: 'body', message: 'must be empty or {}' }],
    });
}

/** Whether a Content-Type (RFC 9110, section 8.3.1) is JSON in UTF-8, the only encoding for JSON between systems. */
function isJson(type: string): boolean {
  let parsed: MIMEType;
  try {
    parsed = new MIMEType(type);
  } catch {
    return false;
  }
  const charset = parsed.params.get('charset') ?? 'utf-8';
  return /^application\/(.+\+)?json$/.test(parsed.essence) && /^utf-?8$/i.test(charset);
}

function refuseEncoded(c: Context): void {
  const codings = (c.req.header('Content-Encoding') ?? '').split(',').map((coding) => coding.trim());
  if (codings.every((coding) => coding === '' || coding.toLowerCase() === 'identity')) return;
  c.header('Accept-Encoding', 'identity');
  throw new Problem('unsupported_media_type', 'The body must be sent without Content-Encoding.');
}

/** The body as it was sent. @throws {Problem} when it is too large, too slow or cut off. */
export async function readBytes(c: Context, { bytes, patience }: BodyLimits): Promise<Uint8Array> {
  const announced = Number(c.req.header('Content-Length') ?? 0);
  if (announced > bytes) throw tooLarge(bytes);
  const reader = c.req.raw.body?.getReader();
  if (reader === undefined) return new Uint8Array();

  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Problem('request_timeout', `The body did not arrive within ${patience} ms.`)),
    patience,
  );
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return Buffer.concat(chunks);
      chunks.push(value);
      size += value.length;
      if (size > bytes) throw tooLarge(bytes);
    }
  } catch (error) {
    void reader.cancel().catch(() => {});
    if (!(error instanceof Problem))
      throw new Problem('malformed_request', 'The body ended before it was complete.', {}, { cause: error });
    // Otherwise the rest of the body would be read as the next request.
    if (error.code === 'request_timeout') c.header('Connection', 'close');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const tooLarge = (bytes: number) =>
  new Problem('body_too_large', `The body can be at most ${bytes / 1024} KiB.`);

/** Decodes strictly: replacement characters would make two names equal. A byte order mark is dropped, as RFC 8259 allows. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Problem('malformed_body', 'The body is not UTF-8.', {}, { cause: error });
  }
}
