/** The span of each request, below its caller's when the caller has sent a trace. */
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { messageOf } from '../../process/redaction.ts';
import { SpanKind, inSpan } from '../../process/traces.ts';

/** Of the API's own operations: documents and checks of health would fill the traces. */
const TRACED = /^\/v1\//;

/** Neither addresses nor headers nor bodies go into a span: they may name people. Its route and its request id say what it was. */
export function traceRequests(): MiddlewareHandler {
  return async function traceRequest(c, next) {
    if (!TRACED.test(c.req.path)) return next();
    const { method } = c.req;
    const traceparent = c.req.header('traceparent');
    const tracestate = c.req.header('tracestate');
    const requestId: unknown = c.get('requestId');
    await inSpan(
      method,
      {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': method,
          ...(typeof requestId === 'string' && { 'holdfast.request_id': requestId }),
        },
        from: {
          ...(traceparent !== undefined && { traceparent }),
          ...(tracestate !== undefined && { tracestate }),
        },
      },
      async (span) => {
        await next();
        const { status } = c.res;
        const route = routeOf(c);
        if (route !== undefined) span.rename(`${method} ${route}`);
        span.set({
          'http.response.status_code': status,
          ...(route !== undefined && { 'http.route': route }),
        });
        if (status >= 500) span.fail(messageOf(c.error ?? `answered ${status}`));
      },
    );
  };
}

/** As the document has it, with names in place of ids; undefined when there is no such operation. */
const routeOf = (c: Context): string | undefined =>
  matchedRoutes(c)
    .find(({ method }) => method !== 'ALL')
    ?.path.replaceAll(/:(\w+)/g, '{$1}');
