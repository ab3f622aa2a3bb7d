/** What comes over the wire is read as RFC 9110 and RFC 8259 say, in bounded time, and refused by a clear problem otherwise. */
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { connectionTimes } from '../../api/http/server.ts';
import { BODY_LIMITS } from '../../api/http/body.ts';
import { PROBLEM_JSON } from '../../api/problems/problem.ts';
import { apiSettings } from '../../settings.ts';
import { expectRulesHold } from '../support/database.ts';
import { hear, serve, type Heard } from '../support/http.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { sql } = system;
const wire = await serve(system);
const impatient = await serve(system, { patience: 300 });
afterAll(() => expectRulesHold(sql));

const problem = z.object({ code: z.string(), status: z.number(), title: z.string(), detail: z.string() });

/** Passes on that a response is a problem document of this code. */
function expectProblem({ status, headers, body }: Heard, expected: number, code: string): void {
  expect({ status, type: headers.get('content-type'), body }).toMatchObject({
    status: expected,
    type: PROBLEM_JSON,
  });
  expect(problem.parse(JSON.parse(body))).toMatchObject({ status: expected, code });
}

const WALLET = '{"ownerId":"buyer","currency":"EUR"}';

interface Post {
  key?: string;
  /** Header lines beside those that every request has. */
  headers?: readonly string[];
  path?: string;
}

/** A request for a wallet as it goes over the wire. */
function post(
  body: string | Uint8Array,
  { key = randomUUID(), headers = [], path = '/v1/wallets' }: Post = {},
) {
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    `Idempotency-Key: ${key}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
}

const JSON_TYPE = 'Content-Type: application/json';
const claimsOf = async (key: string) => sql`select from idempotency_key where key = ${key}`;

describe('a Content-Type', () => {
  test.each([
    'application/json',
    'application/json;',
    'application/json ; charset=utf-8',
    'application/json;charset=UTF-8',
    'application/json; charset="utf-8"',
    'APPLICATION/JSON;Charset=Utf-8',
    'application/json; charset=utf8',
    'application/json;version=1',
    'application/json ;; version=1 ;',
    'application/merge-patch+json',
  ])('%s is JSON', async (type) => {
    const heard = await wire.send(post(WALLET, { headers: [`Content-Type: ${type}`] }));
    expect(heard).toMatchObject({ status: 201 });
  });

  test.each([
    'application/json; charset=iso-8859-1',
    'application/json; charset=utf-16',
    'application/json; charset="latin1"',
    'application/json, application/json',
    'application/jsonp',
    'application/x-json',
    'text/json',
    'text/plain',
    'json',
    '*/*',
    '',
  ])('%s is not JSON in UTF-8: 415', async (type) => {
    const heard = await wire.send(post(WALLET, { headers: [`Content-Type: ${type}`] }));
    expectProblem(heard, 415, 'unsupported_media_type');
  });

  test('that is missing beside a body is 415', async () => {
    expectProblem(await wire.send(post(WALLET)), 415, 'unsupported_media_type');
  });

  test('that is given twice is 415', async () => {
    const heard = await wire.send(post(WALLET, { headers: [JSON_TYPE, JSON_TYPE] }));
    expectProblem(heard, 415, 'unsupported_media_type');
  });

  test('is of no interest where there is no body', async () => {
    const [sku, wallet] = await Promise.all([wire.shop.sku(1), wire.shop.wallet(1_000)]);
    const path = `/v1/orders/${await wire.shop.placed(wallet, sku)}/pay`;
    expect(await wire.send(post('', { path, headers: ['Content-Type: text/plain'] }))).toMatchObject({
      status: 200,
    });
  });
});

describe('a Content-Encoding', () => {
  test.each([
    ['gzip of a body that is so encoded', gzipSync(WALLET), 'gzip'],
    ['gzip of a body that is not', WALLET, 'gzip'],
    ['that is unknown', WALLET, 'x-none'],
    ['that names gzip among others', WALLET, 'identity, gzip'],
  ])('%s is 415, and the answer names what may be sent', async (_, body, encoding) => {
    const key = randomUUID();
    const heard = await wire.send(post(body, { key, headers: [JSON_TYPE, `Content-Encoding: ${encoding}`] }));
    expectProblem(heard, 415, 'unsupported_media_type');
    expect(heard.headers.get('accept-encoding')).toBe('identity');
    expect(await claimsOf(key)).toHaveLength(0);
  });

  test.each(['identity', 'Identity', ''])('"%s" is none', async (encoding) => {
    const heard = await wire.send(post(WALLET, { headers: [JSON_TYPE, `Content-Encoding: ${encoding}`] }));
    expect(heard).toMatchObject({ status: 201 });
  });
});

describe('a body', () => {
  const named = (bytes: readonly number[]) =>
    Buffer.concat([Buffer.from('{"currency":"EUR","ownerId":"b'), Buffer.from(bytes), Buffer.from('"}')]);

  test.each([
    ['a byte that UTF-8 does not have', [0xff]],
    ['a letter of Latin 1', [0xe9]],
    ['a character that is cut off', [0xe2, 0x82]],
    ['a slash in a longer form than it needs', [0xc0, 0xaf]],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a code point beyond the last', [0xf4, 0x90, 0x80, 0x80]],
  ])('with %s is 400, and not another buyer', async (_, bytes) => {
    const key = randomUUID();
    const heard = await wire.send(post(named(bytes), { key, headers: [JSON_TYPE] }));
    expectProblem(heard, 400, 'malformed_body');
    expect(await claimsOf(key)).toHaveLength(0);
  });

  test('in UTF-16 is 400', async () => {
    expectProblem(
      await wire.send(post(Buffer.from(WALLET, 'utf16le'), { headers: [JSON_TYPE] })),
      400,
      'malformed_body',
    );
  });

  test('may begin with a byte order mark, which is left out', async () => {
    const heard = await wire.send(post(`\ufeff${WALLET}`, { headers: [JSON_TYPE] }));
    expect(heard).toMatchObject({ status: 201 });
  });

  test.each([
    ['is empty', '', [JSON_TYPE]],
    ['is empty, with a parameter in its type', '', ['Content-Type: application/json ; charset=utf-8']],
    ['is missing', '', []],
    ['is blank', ' \n', [JSON_TYPE]],
    ['is cut off', '{"ownerId"', [JSON_TYPE]],
    ['has a comment', `${WALLET} // mine`, [JSON_TYPE]],
    ['is two of them', WALLET + WALLET, [JSON_TYPE]],
  ])('that %s is 400', async (_, body, headers) => {
    expectProblem(await wire.send(post(body, { headers })), 400, 'malformed_body');
  });

  test('that is announced as too large is refused before it is sent', async () => {
    const head = [
      'POST /v1/wallets HTTP/1.1',
      'Host: localhost',
      'Content-Length: 65537',
      JSON_TYPE,
      'Connection: close',
    ];
    expectProblem(await wire.send(`${head.join('\r\n')}\r\n\r\n`), 413, 'body_too_large');
  });

  test('of the largest size is read, and of one byte more is not', async () => {
    const filled = (bytes: number) => `${WALLET.slice(0, -1)}${' '.repeat(bytes - WALLET.length)}}`;
    const headers = [JSON_TYPE];
    expect(await wire.send(post(filled(65_536), { headers }))).toMatchObject({ status: 201 });
    expectProblem(await wire.send(post(filled(65_537), { headers })), 413, 'body_too_large');
  });

  test('that comes in chunks is as large as all of them', async () => {
    const head = `POST /v1/wallets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${JSON_TYPE}\r\n`;
    const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const key = `Idempotency-Key: ${randomUUID()}\r\n\r\n`;
    expect(await wire.send(head, key, chunked(WALLET))).toMatchObject({ status: 201 });
    expectProblem(await wire.send(head, key, chunked(' '.repeat(65_537))), 413, 'body_too_large');
  });

  test('that arrives too slowly is 408 on a connection that ends, and holds no claim on its key', async () => {
    const key = randomUUID();
    const whole = post(WALLET, { key, headers: [JSON_TYPE] })
      .toString()
      .replace('Connection: close\r\n', '');
    const socket = await impatient.open();
    const heard = hear(socket);
    socket.write(whole.slice(0, -5));
    await until('the request to have arrived', async () => (socket.bytesWritten > 0 ? true : undefined));
    expect(await claimsOf(key)).toHaveLength(0);
    const late = await heard;
    expectProblem(late, 408, 'request_timeout');
    expect(late.headers.get('connection')).toBe('close');
    expect(await claimsOf(key)).toHaveLength(0);
    // At once: nothing has to run out.
    expect(await impatient.send(post(WALLET, { key, headers: [JSON_TYPE] }))).toMatchObject({ status: 201 });
  });

  test('that drips in, a byte now and then, is not waited for any longer', async () => {
    const whole = post(WALLET, { headers: [JSON_TYPE] }).toString();
    const socket = await impatient.open();
    const heard = hear(socket);
    socket.write(whole.slice(0, -WALLET.length));
    let sent = 0;
    const drip = setInterval(() => socket.write(WALLET.charAt(sent++)), 50);
    expectProblem(await heard.finally(() => clearInterval(drip)), 408, 'request_timeout');
  });

  test('whose caller goes away is no failure, and holds no claim', async () => {
    const key = randomUUID();
    const failures: unknown[] = [];
    const socket = await wire.open();
    socket.on('error', (error) => failures.push(error));
    socket.write(post(WALLET, { key, headers: [JSON_TYPE] }).subarray(0, -5));
    socket.destroy();
    expectStatus(await wire.shop.get('/healthz'), 200);
    expect(failures).toEqual([]);
    expect(await claimsOf(key)).toHaveLength(0);
  });
});

describe('an Idempotency-Key', () => {
  const headers = [JSON_TYPE];

  test.each([
    ['the same value', 'Idempotency-Key: K'],
    ['another value', 'Idempotency-Key: L'],
    ['the same in capitals', 'IDEMPOTENCY-KEY: K'],
    ['no value', 'Idempotency-Key:'],
  ])('that is sent a second time with %s is refused', async (_, second) => {
    expectProblem(
      await wire.send(post(WALLET, { key: 'K', headers: [...headers, second] })),
      400,
      'idempotency_key_invalid',
    );
  });

  test('that a proxy joined with itself is refused', async () => {
    const answer = await system.shop.raw('/v1/wallets', {
      method: 'POST',
      body: WALLET,
      headers: [
        ['content-type', 'application/json'],
        ['idempotency-key', 'K'],
        ['idempotency-key', 'K'],
      ],
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'idempotency_key_invalid' } });
  });

  test('may have a comma, and is then one key', async () => {
    const key = `${randomUUID()}, ${randomUUID()}`;
    const first = await wire.send(post(WALLET, { key, headers }));
    const again = await wire.send(post(WALLET, { key, headers }));
    expect(first).toMatchObject({ status: 201 });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toBe(first.body);
    expect(await claimsOf(key)).toHaveLength(1);
  });

  test('may be twice the same with a comma between', async () => {
    expect(await wire.send(post(WALLET, { key: 'K, K', headers }))).toMatchObject({ status: 201 });
  });

  test.each([
    ['an emoji', '😀'],
    ['a combining mark', 'e\u0301'],
  ])('with %s is refused', async (_, key) => {
    const utf8 = Buffer.from(key).toString('latin1');
    expectProblem(await wire.send(post(WALLET, { key: utf8, headers })), 400, 'idempotency_key_invalid');
  });
});

describe('what is not a request is answered by a problem document:', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'malformed_request'],
    ['HTTP/2 without its upgrade', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'malformed_request'],
    ['a header without a colon', 'GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n', 400, 'malformed_request'],
    ['no host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed_request'],
    [
      'two lengths',
      'POST /v1/wallets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a length and chunks',
      'POST /v1/wallets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a length in words',
      'POST /v1/wallets HTTP/1.1\r\nHost: x\r\nContent-Length: one\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'an address that is none',
      'GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a host that is none',
      'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'too long an address',
      `GET /v1/orders?cursor=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'too many headers',
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(5_000)}\r\n`,
      431,
      'headers_too_large',
    ],
  ])('%s', async (_, bytes, status, code) => {
    const heard = await wire.send(bytes);
    expectProblem(heard, status, code);
    expect(heard.headers.get('connection')).toBe('close');
  });

  test('a chunk that is none, in the middle of a body, which holds no claim', async () => {
    const key = randomUUID();
    const head = [
      'POST /v1/wallets HTTP/1.1',
      'Host: x',
      'Transfer-Encoding: chunked',
      JSON_TYPE,
      `Idempotency-Key: ${key}`,
    ];
    expectProblem(await wire.send(`${head.join('\r\n')}\r\n\r\n`, 'zz\r\n'), 400, 'malformed_request');
    expect(await claimsOf(key)).toHaveLength(0);
  });

  test('headers that arrive too slowly', async () => {
    // Node looks every 5 s; the setting's own 70 s would be a long wait.
    impatient.server.headersTimeout = 100;
    const heard = await impatient.send('GET /healthz HTTP/1.1\r\nHost:');
    expectProblem(heard, 408, 'request_timeout');
    expect(heard.headers.get('connection')).toBe('close');
  });
});

describe('a request that is unusual is taken as it is meant:', () => {
  const line = (start: string, ...headers: string[]) =>
    `${[start, 'Host: localhost', 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`;

  test.each([
    ['an absolute address', line('GET http://localhost/healthz HTTP/1.1'), 200],
    ['an expectation that nobody knows', line('GET /healthz HTTP/1.1', 'Expect: the-moon'), 200],
    ['an upgrade that is not offered', line('GET /healthz HTTP/1.1', 'Upgrade: h2c'), 200],
    ['HEAD', line('HEAD /v1/orders HTTP/1.1'), 200],
    ['HEAD of what only POST has', line('HEAD /v1/wallets HTTP/1.1'), 405],
    ['OPTIONS', line('OPTIONS /v1/orders HTTP/1.1'), 405],
    ['DELETE of a page', line('DELETE /docs HTTP/1.1'), 405],
    ['a slash at the end', line('GET /v1/orders/ HTTP/1.1'), 404],
    ['another case', line('GET /V1/orders HTTP/1.1'), 404],
    ['two slashes', line('GET //v1/orders HTTP/1.1'), 404],
    ['dots', line('GET /v1/skus/../orders HTTP/1.1'), 200],
    [
      'a body that is nobody’s',
      line('POST /v1/nothing HTTP/1.1', 'Content-Length: 1', 'Content-Type: text/plain') + 'x',
      404,
    ],
    ['an encoding that does not decode', line('GET /v1/orders/%E0%A4%A HTTP/1.1'), 400],
    ['NUL', line('GET /v1/skus/%00 HTTP/1.1'), 400],
    ['an encoded slash', line('GET /v1/skus/a%2Fb HTTP/1.1'), 400],
  ])('%s', async (_, bytes, status) => {
    expect(await wire.send(bytes)).toMatchObject({ status });
  });
});

describe('the name of an inherited property is no page of the documentation:', () => {
  test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf', 'no.css'])(
    '%s',
    async (name) => {
      expect(await wire.shop.get(`/docs/${name}`)).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    },
  );
});

describe('an idle connection', () => {
  test('is kept for longer than the 60 s of a load balancer, and callers hear for how long', async () => {
    const { KEEP_ALIVE } = apiSettings({ DATABASE_URL: 'postgres://x', TEMPORAL_ADDRESS: 'x:1' });
    expect(KEEP_ALIVE).toBe(65_000);
    expect(wire.server.keepAliveTimeout).toBe(KEEP_ALIVE);
    const response = await fetch(`${wire.url}/healthz`);
    expect(response.headers.get('keep-alive')).toBe('timeout=65');
  });

  test('takes a second request, also after one that was refused before its body was read', async () => {
    const socket = await wire.open();
    const heard = hear(socket);
    const first = post(WALLET, { headers: [JSON_TYPE, 'Content-Encoding: gzip'] }).toString();
    socket.write(first.replace('Connection: close\r\n', ''));
    socket.write(post(WALLET, { headers: [JSON_TYPE] }));
    const { status, body } = await heard;
    expect({ status, second: /HTTP\/1\.1 (\d+)/.exec(body)?.[1] }).toEqual({ status: 415, second: '201' });
  });
});

test('each clock of a connection ends after the one before it', () => {
  for (const keepAlive of [1, 65_000, 3_600_000]) {
    const { keepAliveTimeout, headersTimeout, requestTimeout } = connectionTimes(keepAlive);
    expect(headersTimeout).toBeGreaterThan(keepAliveTimeout);
    expect(requestTimeout).toBeGreaterThanOrEqual(headersTimeout + BODY_LIMITS.patience);
  }
});

test('requests at once over many connections are all answered', async () => {
  const wallets = await Promise.all(
    Array.from({ length: 50 }, () => wire.send(post(WALLET, { headers: [JSON_TYPE] }))),
  );
  const ids = wallets.map(({ body }) => z.object({ id: z.string() }).parse(JSON.parse(body)).id);
  expect(new Set(ids).size).toBe(50);
  expect(idOf(await wire.shop.get(`/v1/wallets/${ids[0]}`))).toBe(ids[0]);
});
