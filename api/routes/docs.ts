/** The API's description, for programs and in a browser. It is served entirely from this process, so it works offline. */
import { readFile } from 'node:fs/promises';
import { OpenAPIHono } from '@hono/zod-openapi';
import { SECURITY_SCHEME, describeAccess } from '../access/describe.ts';
import type { ApiEnv } from '../env.ts';
import { describeHeaders } from '../http/describe-headers.ts';
import { Problem } from '../problems/problem.ts';

const INFO = {
  title: 'Holdfast',
  /** docs/api-changelog.md says what changed with it. */
  version: '1.3.0',
  license: { name: 'MIT', identifier: 'MIT' },
  description:
    'Durable order orchestration. Amounts are whole minor units with an ISO 4217 currency. Errors are RFC 9457 problem documents: decide by their `code`. Every POST needs an `Idempotency-Key` header, and can be repeated safely with the same key. The headers `RateLimit-Policy` and `RateLimit` of every answer under /v1 say how many requests its caller has left.',
};

/** The document comes from the server that it describes. */
const SERVERS = [{ url: '/' }];

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Holdfast API</title>
    <link rel="stylesheet" href="docs/swagger-ui.css" />
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png" />
  </head>
  <body>
    <div id="api"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

/** A separate file, so that the policy below can forbid inline scripts. */
const startScript = (key: string | undefined): string => `const page = SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#api',
  deepLinking: true,
  tryItOutEnabled: true,${
    key === undefined
      ? ''
      : `
  onComplete: () => page.preauthorizeApiKey('${SECURITY_SCHEME}', '${key}'),`
  }
});
`;

/** Another site's name may lead here, too, and its scripts would then read what this page may read. */
const LOCAL_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The files of Swagger UI that the page needs, and no others. */
const ASSETS: ReadonlyMap<string, string> = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
]);

/**
 * @param api the API to describe.
 * @param developmentKey the page sends it with every call: on a developer's own machine, and asked for by its own name.
 */
export function docsRoutes(api: OpenAPIHono<ApiEnv>, developmentKey: string | undefined): OpenAPIHono {
  const app = new OpenAPIHono();
  /** Made once, when all routes are known: anybody may ask for it, as often as they like. */
  let description: string | undefined;

  app.get('/openapi.json', (c) => {
    description ??= JSON.stringify(
      describeHeaders(
        describeAccess(api.getOpenAPI31Document({ openapi: '3.1.0', info: INFO, servers: SERVERS })),
      ),
    );
    return c.body(description, 200, { 'Content-Type': 'application/json' });
  });

  app.get('/docs', (c) => c.html(PAGE, 200, { 'Content-Security-Policy': CONTENT_SECURITY_POLICY }));

  app.get('/docs/start.js', (c) => {
    const isLocal = LOCAL_NAMES.has(new URL(c.req.url).hostname);
    return c.body(startScript(isLocal ? developmentKey : undefined), 200, {
      'Content-Type': 'text/javascript; charset=utf-8',
      'Cache-Control': 'no-store',
      // No other site may run it and take the key that it hands over.
      'Cross-Origin-Resource-Policy': 'same-origin',
    });
  });

  app.get('/docs/:asset', async (c) => {
    const asset = c.req.param('asset');
    const type = ASSETS.get(asset);
    if (type === undefined) throw new Problem('not_found', `There is nothing at ${c.req.path}.`);
    const file = await readFile(new URL(import.meta.resolve(`swagger-ui-dist/${asset}`)));
    return c.body(file, 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' });
  });

  return app;
}
