/** The HTTP server answers everything that arrives on a connection, valid or not, and keeps idle connections open long enough. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { BODY_LIMITS } from '../../../api/http/body.ts';
import { connectionTimes } from '../../../api/http/server.ts';
import { apiSettings } from '../../../settings.ts';
import { expectRulesHold } from '../../support/database.ts';
import {
  JSON_TYPE,
  WALLET,
  authorization,
  expectProblem,
  expectSecured,
  findClaims,
  hear,
  postBytes,
  serve,
} from '../../support/http.ts';
import { idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const system = await startSystem();
const { sql } = system;
const wire = await serve(system);
const impatient = await serve(system, { patience: 300, readPatience: 600 });
afterAll(() => expectRulesHold(sql));

/** Waits until the impatient server has so many connections. */
const untilConnected = (count: number): Promise<true> =>
  until(`${count} connections`, async () => {
    const open = await promisify<number>((done) => impatient.server.getConnections(done))();
    return open === count ? true : undefined;
  });

describe('invalid HTTP, such as', () => {
  test.each([
    ['text that is not HTTP', 'hello\r\n\r\n', 400, 'malformed_request'],
    ['HTTP/2 without an upgrade', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'malformed_request'],
    ['a header without a colon', 'GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n', 400, 'malformed_request'],
    [
      'a request without a Host',
      'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a body with two lengths',
      'POST /v1/wallets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a chunked body with a length',
      'POST /v1/wallets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a length that is not a number',
      'POST /v1/wallets HTTP/1.1\r\nHost: x\r\nContent-Length: one\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'an invalid address',
      'GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'an invalid Host',
      'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'an address that is too long',
      `GET /v1/orders?cursor=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'an address that is longer than any of ours',
      `GET /v1/orders?cursor=${'x'.repeat(8_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      414,
      'address_too_long',
    ],
    [
      'more headers than a request needs',
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(100)}\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'a request for a tunnel',
      'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'headers that are too large',
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(5_000)}\r\n`,
      431,
      'headers_too_large',
    ],
  ])('%s, is answered with a problem document', async (_, bytes, status, code) => {
    const heard = await wire.send(bytes);
    expectProblem(heard, status, code);
    expect(heard.headers.get('connection')).toBe('close');
    expectSecured(heard.headers);
  });

  test('an invalid chunk in the middle of a body, is answered with a problem document, and leaves no claim on its key', async () => {
    const key = randomUUID();
    const head = [
      'POST /v1/wallets HTTP/1.1',
      'Host: x',
      'Transfer-Encoding: chunked',
      authorization(),
      JSON_TYPE,
      `Idempotency-Key: ${key}`,
    ];
    expectProblem(await wire.send(`${head.join('\r\n')}\r\n\r\n`, 'zz\r\n'), 400, 'malformed_request');
    expect(await findClaims(sql, key)).toHaveLength(0);
  });

  test('headers that arrive too slowly, is answered with a problem document', async () => {
    // Node checks every 5 s. With the default setting this test would take 15 s.
    impatient.server.headersTimeout = 100;
    const heard = await impatient.send('GET /healthz HTTP/1.1\r\nHost:');
    expectProblem(heard, 408, 'request_timeout');
    expect(heard.headers.get('connection')).toBe('close');
  });
});

describe('a caller who does not read', () => {
  const page = 'GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n';

  test('is cut off, and what waited for it is forgotten', async () => {
    const socket = await impatient.open();
    socket.pause();
    const closed = once(socket, 'close');
    // More than the buffers of the two sides hold.
    socket.write(page.repeat(20));
    socket.on('error', () => {});
    await untilConnected(1);
    await untilConnected(0);
    socket.destroy();
    await closed;
  });

  test('is cut off even if it takes a little from time to time', async () => {
    const socket = await impatient.open();
    socket.pause();
    socket.on('error', () => {});
    socket.write(page.repeat(20));
    const sips = setInterval(() => socket.read(1), 50);
    await untilConnected(1);
    await untilConnected(0);
    clearInterval(sips);
    socket.destroy();
  });

  test('does not cut off one who reads as it comes', async () => {
    const socket = await impatient.open();
    const heard = hear(socket);
    socket.write(page.repeat(3).concat(page.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')));
    expect((await heard).body.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
  });
});

describe('an unusual request, such as', () => {
  const line = (start: string, ...headers: string[]) =>
    `${[start, 'Host: localhost', 'Connection: close', authorization(), ...headers].join('\r\n')}\r\n\r\n`;

  test.each([
    ['one to an absolute address', line('GET http://localhost/healthz HTTP/1.1'), 200],
    ['one with an unknown expectation', line('GET /healthz HTTP/1.1', 'Expect: the-moon'), 200],
    ['one for an upgrade that the server does not offer', line('GET /healthz HTTP/1.1', 'Upgrade: h2c'), 200],
    ['HEAD', line('HEAD /v1/orders HTTP/1.1'), 200],
    ['HEAD of an address that only supports POST', line('HEAD /v1/wallets HTTP/1.1'), 405],
    ['OPTIONS', line('OPTIONS /v1/orders HTTP/1.1'), 405],
    ['DELETE of a page', line('DELETE /docs HTTP/1.1'), 405],
    ['one with a trailing slash', line('GET /v1/orders/ HTTP/1.1'), 404],
    ['one to an address in capitals', line('GET /V1/orders HTTP/1.1'), 404],
    ['one with two slashes', line('GET //v1/orders HTTP/1.1'), 404],
    ['one with dot segments', line('GET /v1/skus/../orders HTTP/1.1'), 200],
    [
      'one with a body for an address that does not exist',
      line('POST /v1/nothing HTTP/1.1', 'Content-Length: 1', 'Content-Type: text/plain') + 'x',
      404,
    ],
    ['one with an invalid percent-encoding', line('GET /v1/orders/%E0%A4%A HTTP/1.1'), 400],
    ['one with an encoded NUL', line('GET /v1/skus/%00 HTTP/1.1'), 400],
    ['one with an encoded slash', line('GET /v1/skus/a%2Fb HTTP/1.1'), 400],
  ])('%s, is answered as RFC 9110 says', async (_, bytes, status) => {
    expect(await wire.send(bytes)).toMatchObject({ status });
  });
});

describe('an idle connection', () => {
  test('is kept open longer than the 60 s of a load balancer, and its answers say how long', async () => {
    const { KEEP_ALIVE } = apiSettings({ DATABASE_URL: 'postgres://x', TEMPORAL_ADDRESS: 'x:1' });
    expect(KEEP_ALIVE).toBe(65_000);
    expect(wire.server.keepAliveTimeout).toBe(KEEP_ALIVE);
    const response = await fetch(`${wire.url}/healthz`);
    expect(response.headers.get('keep-alive')).toBe('timeout=65');
  });

  test('is not taken for one that sends its headers slowly', async () => {
    const { headersTimeout } = connectionTimes(65_000);
    expect(headersTimeout).toBeLessThan(65_000);
    const patient = await serve(system);
    patient.server.headersTimeout = 100;
    const socket = await patient.open();
    const heard = hear(socket);
    const first = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';
    socket.write(first);
    // Node looks every 5 s.
    await setTimeout(5_500);
    socket.write(first.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    expect((await heard).body).toContain('HTTP/1.1 200');
  });

  test('takes a second request, even after a first request that was refused before its body was read', async () => {
    const socket = await wire.open();
    const heard = hear(socket);
    const first = postBytes(WALLET, { headers: [JSON_TYPE, 'Content-Encoding: gzip'] }).toString();
    socket.write(first.replace('Connection: close\r\n', ''));
    socket.write(postBytes(WALLET, { headers: [JSON_TYPE] }));
    const { status, body } = await heard;
    expect({ status, second: /HTTP\/1\.1 (\d+)/.exec(body)?.[1] }).toEqual({ status: 415, second: '201' });
  });
});

test('Node gives up on a request only after the API would have answered that it is slow', () => {
  const { headersTimeout, requestTimeout } = connectionTimes(65_000);
  expect(requestTimeout).toBeGreaterThan(headersTimeout + BODY_LIMITS.patience);
});

test('simultaneous requests over fifty connections are all answered', async () => {
  const wallets = await Promise.all(
    Array.from({ length: 50 }, () => wire.send(postBytes(WALLET, { headers: [JSON_TYPE] }))),
  );
  const ids = wallets.map(({ body }) => z.object({ id: z.string() }).parse(JSON.parse(body)).id);
  expect(new Set(ids).size).toBe(50);
  expect(idOf(await wire.shop.get(`/v1/wallets/${ids[0]}`))).toBe(ids[0]);
});
