/** Pages of other origins may call the API only where it is set, and a browser makes nothing of an answer but data. */
import { describe, expect, test } from 'vitest';
import { SECURITY_HEADERS } from '../../../api/http/security-headers.ts';
import { expectSecured, serve } from '../../support/http.ts';
import { startSystem } from '../../support/system.ts';

const SHOP = 'https://shop.example.com';

const system = await startSystem();
const closed = await serve(system);
const open = await serve(system, { corsOrigins: [SHOP] });

/** Asks as a browser does before it sends what a page of `origin` wants to send. */
const preflight = (url: string, origin: string) =>
  fetch(`${url}/v1/orders`, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key',
    },
  });
const corsHeaders = ({ headers }: Response): string[] =>
  [...headers.keys()].filter((name) => name.startsWith('access-control-'));

describe('a page of another origin', () => {
  test('may not call unless an origin is set, not even ask', async () => {
    const asked = await preflight(closed.url, SHOP);
    expect(asked.status).toBe(401);
    expect(corsHeaders(asked)).toEqual([]);
    expect(corsHeaders(await fetch(`${closed.url}/healthz`, { headers: { Origin: SHOP } }))).toEqual([]);
  });

  test('may call when its origin is set, without credentials, and send a key', async () => {
    const { status, headers } = await preflight(open.url, SHOP);
    expect(status).toBe(204);
    expect(headers.get('Access-Control-Allow-Origin')).toBe(SHOP);
    expect(headers.get('Access-Control-Allow-Methods')).toContain('POST');
    expect(headers.get('Access-Control-Allow-Headers')).toContain('Idempotency-Key');
    expect(headers.get('Access-Control-Allow-Headers')).toContain('Authorization');
    expect(headers.has('Access-Control-Allow-Credentials')).toBe(false);
  });

  test('can read what it has to decide by, also when it is refused', async () => {
    const { status, headers } = await fetch(`${open.url}/v1/nothing`, { headers: { Origin: SHOP } });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers.get('Access-Control-Allow-Origin')).toBe(SHOP);
    expect(headers.get('Vary')).toContain('Origin');
    const exposed = headers.get('Access-Control-Expose-Headers') ?? '';
    for (const name of ['Retry-After', 'RateLimit', 'ETag', 'Idempotency-Replayed', 'X-Request-Id'])
      expect(exposed.split(',')).toContain(name);
  });

  test.each([
    ['with another port', 'https://shop.example.com:8443'],
    ['without TLS', 'http://shop.example.com'],
    ['whose name only begins alike', 'https://shop.example.com.evil.example'],
    ['whose name only ends alike', 'https://evilshop.example.com'],
    ['that has none', 'null'],
  ])('%s may not call', async (_, origin) => {
    expect((await preflight(open.url, origin)).headers.has('Access-Control-Allow-Origin')).toBe(false);
    const answer = await fetch(`${open.url}/healthz`, { headers: { Origin: origin } });
    expect(answer.headers.has('Access-Control-Allow-Origin')).toBe(false);
  });

  test('an OPTIONS that no page asks is refused as any other method', async () => {
    expect((await fetch(`${open.url}/v1/orders`, { method: 'OPTIONS' })).status).not.toBe(204);
  });
});

describe('an answer', () => {
  test.each([
    ['of a route', '/healthz', 200],
    ['about an address that does not exist', '/nothing', 404],
    ['that describes the API', '/openapi.json', 200],
  ])('%s can only be data to a browser, and does not say what sent it', async (_, path, status) => {
    const answer = await fetch(`${closed.url}${path}`);
    expect(answer.status).toBe(status);
    expectSecured(answer.headers);
  });

  test.each([
    ['where no other origin may call', closed],
    ['where another one may', open],
  ])(
    'with a page has a policy of its own, by which it runs its own scripts and is shown in no frame, %s',
    async (_, { url }) => {
      const { headers } = await fetch(`${url}/docs`, { headers: { Origin: SHOP } });
      const policy = headers.get('Content-Security-Policy');
      expect(policy).not.toBe(SECURITY_HEADERS['Content-Security-Policy']);
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      const style = await fetch(`${url}/docs/swagger-ui.css`, { headers: { Origin: SHOP } });
      expect(style.headers.get('Cache-Control')).toBe('public, max-age=3600');
    },
  );
});
