/** A request's body is read as RFC 9110 and RFC 8259 define it, in bounded time, and otherwise refused with a clear problem. */
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { expectRulesHold } from '../../support/database.ts';
import {
  JSON_TYPE,
  WALLET,
  authorization,
  expectProblem,
  findClaims,
  hear,
  postBytes,
  serve,
} from '../../support/http.ts';
import { expectStatus } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const system = await startSystem();
const { sql } = system;
const wire = await serve(system);
const impatient = await serve(system, { patience: 300 });
afterAll(() => expectRulesHold(sql));

describe('the Content-Type', () => {
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
  ])('"%s" declares JSON, and the body is read', async (type) => {
    const heard = await wire.send(postBytes(WALLET, { headers: [`Content-Type: ${type}`] }));
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
  ])('"%s" does not declare JSON in UTF-8, and the request gets 415', async (type) => {
    const heard = await wire.send(postBytes(WALLET, { headers: [`Content-Type: ${type}`] }));
    expectProblem(heard, 415, 'unsupported_media_type');
  });

  test('must be sent: a body without one gets 415', async () => {
    expectProblem(await wire.send(postBytes(WALLET)), 415, 'unsupported_media_type');
  });

  test('must be sent once: a body with two gets 415', async () => {
    const heard = await wire.send(postBytes(WALLET, { headers: [JSON_TYPE, JSON_TYPE] }));
    expectProblem(heard, 415, 'unsupported_media_type');
  });

  test('does not matter when the body is empty', async () => {
    const [sku, wallet] = await Promise.all([wire.shop.sku(1), wire.shop.wallet(1_000)]);
    const path = `/v1/orders/${await wire.shop.placed(wallet, sku)}/pay`;
    expect(await wire.send(postBytes('', { path, headers: ['Content-Type: text/plain'] }))).toMatchObject({
      status: 200,
    });
  });
});

describe('a request with a Content-Encoding', () => {
  test.each([
    ['of gzip, whose body is gzip,', gzipSync(WALLET), 'gzip'],
    ['of gzip, whose body is plain,', WALLET, 'gzip'],
    ['that is unknown', WALLET, 'x-none'],
    ['that includes gzip', WALLET, 'identity, gzip'],
  ])(
    '%s gets 415, an Accept-Encoding that it may use, and no claim on its key',
    async (_, body, encoding) => {
      const key = randomUUID();
      const heard = await wire.send(
        postBytes(body, { key, headers: [JSON_TYPE, `Content-Encoding: ${encoding}`] }),
      );
      expectProblem(heard, 415, 'unsupported_media_type');
      expect(heard.headers.get('accept-encoding')).toBe('identity');
      expect(await findClaims(sql, key)).toHaveLength(0);
    },
  );

  test.each(['identity', 'Identity', ''])(
    'of "%s", which means no encoding, is accepted',
    async (encoding) => {
      const heard = await wire.send(
        postBytes(WALLET, { headers: [JSON_TYPE, `Content-Encoding: ${encoding}`] }),
      );
      expect(heard).toMatchObject({ status: 201 });
    },
  );
});

describe('a body', () => {
  const named = (bytes: readonly number[]) =>
    Buffer.concat([Buffer.from('{"currency":"EUR","ownerId":"b'), Buffer.from(bytes), Buffer.from('"}')]);

  test.each([
    ['a byte that does not exist in UTF-8', [0xff]],
    ['a Latin-1 letter', [0xe9]],
    ['a truncated character', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a code point beyond the last one', [0xf4, 0x90, 0x80, 0x80]],
  ])('with %s gets 400, instead of naming another buyer', async (_, bytes) => {
    const key = randomUUID();
    const heard = await wire.send(postBytes(named(bytes), { key, headers: [JSON_TYPE] }));
    expectProblem(heard, 400, 'malformed_body');
    expect(await findClaims(sql, key)).toHaveLength(0);
  });

  test('in UTF-16 gets 400', async () => {
    expectProblem(
      await wire.send(postBytes(Buffer.from(WALLET, 'utf16le'), { headers: [JSON_TYPE] })),
      400,
      'malformed_body',
    );
  });

  test('may start with a byte order mark, which is dropped', async () => {
    const heard = await wire.send(postBytes(`\ufeff${WALLET}`, { headers: [JSON_TYPE] }));
    expect(heard).toMatchObject({ status: 201 });
  });

  test.each([
    ['is empty', '', [JSON_TYPE]],
    [
      'is empty, with a parameter in its Content-Type,',
      '',
      ['Content-Type: application/json ; charset=utf-8'],
    ],
    ['is missing', '', []],
    ['is blank', ' \n', [JSON_TYPE]],
    ['is cut off', '{"ownerId"', [JSON_TYPE]],
    ['has a comment', `${WALLET} // mine`, [JSON_TYPE]],
    ['consists of two JSON texts', WALLET + WALLET, [JSON_TYPE]],
  ])('that %s gets 400', async (_, body, headers) => {
    expectProblem(await wire.send(postBytes(body, { headers })), 400, 'malformed_body');
  });

  test('whose Content-Length is too large is refused before it is sent', async () => {
    const head = [
      'POST /v1/wallets HTTP/1.1',
      'Host: localhost',
      'Content-Length: 65537',
      authorization(),
      JSON_TYPE,
      'Connection: close',
    ];
    expectProblem(await wire.send(`${head.join('\r\n')}\r\n\r\n`), 413, 'body_too_large');
  });

  test('of the largest size is read, and one byte more is refused', async () => {
    const filled = (bytes: number) => `${WALLET.slice(0, -1)}${' '.repeat(bytes - WALLET.length)}}`;
    const headers = [JSON_TYPE];
    expect(await wire.send(postBytes(filled(65_536), { headers }))).toMatchObject({ status: 201 });
    expectProblem(await wire.send(postBytes(filled(65_537), { headers })), 413, 'body_too_large');
  });

  test('in chunks is limited by the sum of its chunks', async () => {
    const head = `POST /v1/wallets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${authorization()}\r\n${JSON_TYPE}\r\n`;
    const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const key = `Idempotency-Key: ${randomUUID()}\r\n\r\n`;
    expect(await wire.send(head, key, chunked(WALLET))).toMatchObject({ status: 201 });
    expectProblem(await wire.send(head, key, chunked(' '.repeat(65_537))), 413, 'body_too_large');
  });

  test('that arrives too slowly gets 408, ends its connection, and leaves no claim on its key', async () => {
    const key = randomUUID();
    const whole = postBytes(WALLET, { key, headers: [JSON_TYPE] })
      .toString()
      .replace('Connection: close\r\n', '');
    const socket = await impatient.open();
    const heard = hear(socket);
    socket.write(whole.slice(0, -5));
    await until('the request to have arrived', async () => (socket.bytesWritten > 0 ? true : undefined));
    expect(await findClaims(sql, key)).toHaveLength(0);
    const late = await heard;
    expectProblem(late, 408, 'request_timeout');
    expect(late.headers.get('connection')).toBe('close');
    expect(await findClaims(sql, key)).toHaveLength(0);
    // At once: there is no claim that would have to expire.
    expect(await impatient.send(postBytes(WALLET, { key, headers: [JSON_TYPE] }))).toMatchObject({
      status: 201,
    });
  });

  test('that arrives byte by byte gets no more time than any other', async () => {
    const whole = postBytes(WALLET, { headers: [JSON_TYPE] }).toString();
    const socket = await impatient.open();
    const heard = hear(socket);
    socket.write(whole.slice(0, -WALLET.length));
    let sent = 0;
    const drip = setInterval(() => socket.write(WALLET.charAt(sent++)), 50);
    expectProblem(await heard.finally(() => clearInterval(drip)), 408, 'request_timeout');
  });

  test('whose caller hangs up is not counted as a failure, and leaves no claim on its key', async () => {
    const key = randomUUID();
    const failures: unknown[] = [];
    const socket = await wire.open();
    socket.on('error', (error) => failures.push(error));
    socket.write(postBytes(WALLET, { key, headers: [JSON_TYPE] }).subarray(0, -5));
    socket.destroy();
    expectStatus(await wire.shop.get('/healthz'), 200);
    expect(failures).toEqual([]);
    expect(await findClaims(sql, key)).toHaveLength(0);
  });
});
