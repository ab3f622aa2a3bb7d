/**
 * What can refuse a request does so in the order of docs/api.md, each caller's limit is one limit at all API processes, and a caller who waits
 * as long as Retry-After says is let in.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ApiClient, fetchFrom, secondsToWait, type Answer } from '../../../api/client.ts';
import type { RateLimits } from '../../../api/limits/rate-limits.ts';
import { PROBLEMS } from '../../../api/problems/table.ts';
import { openDatabase } from '../../../db/connection.ts';
import { makeKeyId, makeKeyText } from '../../../domain/api-key.ts';
import { WALLET, findClaims, serve, type Wire } from '../../support/http.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const WINDOW_MS = 60_000;
const READS = 5;
const FAILURES = 4;

const system = await startSystem();
const { sql } = system;

let moved = 0;
const limits: RateLimits = {
  windowMs: WINDOW_MS,
  quotas: { reads: READS, writes: 3, orders: 2, admin: 2 },
  failedAuthentications: FAILURES,
  now: () => performance.now() + moved,
};
const strict = { rateLimits: limits, trustedProxies: ['127.0.0.1'] };
const one = await serve(system, strict);
const other = await serve(system, strict);

/** Moves the time of both processes and of the windows in the database. */
async function forward(milliseconds: number): Promise<void> {
  moved += milliseconds;
  await sql`update rate_limit set expires_at = expires_at - ${milliseconds} * interval '1 millisecond'`;
}

const as = (wire: Wire, key: string): ApiClient => new ApiClient(fetchFrom(wire.url), { key });
const merchant = (): Promise<string> => plantKey(sql, { roles: ['merchant'] });
const codeOf = ({ status, body }: Answer) => [status, body.code];
/** The caller's address, as a trusted proxy says it. */
const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } });
let addresses = 0;
const someAddress = (): string => `198.51.100.${(addresses += 1)}`;
const unknownKey = (): string => makeKeyText(makeKeyId()).text;

describe("a caller's limit", () => {
  test('is stated with every answer, and one less is left each time', async () => {
    const client = as(one, await merchant());
    for (let left = READS - 1; left >= 0; left -= 1) {
      const { status, headers } = await client.get('/v1/orders');
      expect(status).toBe(200);
      expect(headers.get('RateLimit-Policy')).toBe(`"reads";q=${READS};w=60`);
      expect(headers.get('RateLimit')).toMatch(new RegExp(`^"reads";r=${left};t=(5[5-9]|60)$`));
    }
    const refused = await client.get('/v1/orders');
    expect(codeOf(refused)).toEqual([429, 'rate_limited']);
    expect(refused.headers.get('RateLimit-Policy')).toBe(`"reads";q=${READS};w=60`);
    expect(refused.headers.get('RateLimit')).toBe(`"reads";r=0;t=${secondsToWait(refused)}`);
  });

  test('is stated with refusals by others, too', async () => {
    const client = as(one, await plantKey(sql, { roles: ['auditor'] }));
    for (const answer of [await client.get('/v1/nothing'), await client.post('/v1/wallets', {})]) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.headers.get('RateLimit')).not.toBeNull();
    }
  });

  test('is one limit at all processes', async () => {
    const key = await merchant();
    let admitted = 0;
    for (let sent = 0; sent < 2 * READS; sent += 1)
      admitted += (await as(sent % 2 === 0 ? one : other, key).get('/v1/orders')).status === 200 ? 1 : 0;
    expect(admitted).toBe(READS);
  });

  test('belongs to the caller alone, and each class of requests has its own', async () => {
    const [key, another] = [await merchant(), await merchant()];
    const client = as(one, key);
    for (let sent = 0; sent < READS; sent += 1) await client.get('/v1/orders');
    expect((await client.get('/v1/orders')).status).toBe(429);
    expect((await as(one, another).get('/v1/orders')).status).toBe(200);
    expect((await client.post('/v1/wallets', JSON.parse(WALLET))).status).toBe(201);
    const [first, second, third] = [
      await client.post('/v1/orders', {}),
      await client.post('/v1/orders', {}),
      await client.post('/v1/orders', {}),
    ];
    expect([first.status, second.status, third.status]).toEqual([400, 400, 429]);
    expect(third.headers.get('RateLimit-Policy')).toBe('"orders";q=2;w=60');
    // A caller who may place no more orders can still pay.
    expect((await client.post(`/v1/orders/${randomUUID()}/pay`)).status).toBe(404);
  });

  test('ends when Retry-After says so, at every process', async () => {
    const key = await merchant();
    for (let sent = 0; sent < READS; sent += 1) await as(one, key).get('/v1/orders');
    const refused = await as(one, key).get('/v1/orders');
    expect(refused.status).toBe(429);
    await forward((secondsToWait(refused) ?? 0) * 1_000);
    expect((await as(other, key).get('/v1/orders')).status).toBe(200);
    expect((await as(one, key).get('/v1/orders')).status).toBe(200);
  });
});

describe('wrong credentials', () => {
  /** Sends wrong keys until they are no longer looked at. */
  async function exhaust(wire: Wire, address: string): Promise<Answer> {
    for (let sent = 0; sent < FAILURES + 2; sent += 1) {
      const answer = await as(wire, unknownKey()).get('/v1/orders', from(address));
      if (answer.status === 429) return answer;
      expect(codeOf(answer)).toEqual([401, 'unauthenticated']);
      // The failure is counted behind the answer.
      await until('a counted failure', async () => (await failuresOf(address)) > sent);
    }
    throw new Error(`Nothing was refused after ${FAILURES} failures.`);
  }
  async function failuresOf(address: string): Promise<number> {
    const [row] = await sql<{ points: number }[]>`
      select points from rate_limit where key like ${`failed authentications % ${address}`}
    `;
    return row?.points ?? 0;
  }

  test('are refused with 429 from then on, before they are looked up, at every process', async () => {
    const address = someAddress();
    const refused = await exhaust(one, address);
    expect(codeOf(refused)).toEqual([429, 'rate_limited']);
    expect(secondsToWait(refused)).toBeGreaterThan(50);
    // Another process learns of it with its first failure.
    await as(other, unknownKey()).get('/v1/orders', from(address));
    await until(
      'a refusal by the other process',
      async () => (await as(other, unknownKey()).get('/v1/orders', from(address))).status === 429,
    );
    await forward((secondsToWait(refused) ?? 0) * 1_000);
    expect((await as(one, unknownKey()).get('/v1/orders', from(address))).status).toBe(401);
  });

  test('of one address do not count for another, and of IPv6 the network counts', async () => {
    await exhaust(one, someAddress());
    expect((await as(one, unknownKey()).get('/v1/orders', from(someAddress()))).status).toBe(401);
    const network = '2001:db8:7:1::/64';
    for (let sent = 1; sent <= FAILURES; sent += 1) {
      await as(one, unknownKey()).get('/v1/orders', from(`2001:db8:7:1::${sent}`));
      await until('a counted failure', async () => (await failuresOf(network)) >= sent);
    }
    expect((await as(one, unknownKey()).get('/v1/orders', from('2001:db8:7:1:ffff::1'))).status).toBe(429);
    expect((await as(one, unknownKey()).get('/v1/orders', from('2001:db8:7:2::1'))).status).toBe(401);
  });

  test('keep nobody out who was right before from the same address, but everybody else', async () => {
    const [address, known, newcomer] = [someAddress(), await merchant(), await merchant()];
    expect((await as(one, known).get('/v1/orders', from(address))).status).toBe(200);
    await exhaust(one, address);
    expect((await as(one, known).get('/v1/orders', from(address))).status).toBe(200);
    expect((await as(one, newcomer).get('/v1/orders', from(address))).status).toBe(429);
  });

  test('are not the same as none: a caller who sends none is asked to send some', async () => {
    const [address, anybody] = [someAddress(), new ApiClient(fetchFrom(one.url))];
    await exhaust(one, address);
    expect((await anybody.get('/v1/orders', from(address))).status).toBe(401);
  });
});

describe('of two that would refuse a request, the first in docs/api.md answers:', () => {
  const huge = { name: 'x'.repeat(70 * 1024) };

  /** A caller who has used up the limit for reads and for writes. */
  async function exhausted(): Promise<string> {
    const key = await plantKey(sql, { roles: ['auditor'] });
    for (let sent = 0; sent < READS; sent += 1) await as(one, key).get('/v1/orders');
    for (let sent = 0; sent < 3; sent += 1) await as(one, key).put('/v1/skus/A', {});
    return key;
  }

  test('the connection before the credentials', async () => {
    expect((await as(one, unknownKey()).get(`/v1/orders?cursor=${'x'.repeat(8_000)}`)).status).toBe(414);
  });

  test('the credentials before the limit, which a caller without any does not have', async () => {
    const answer = await as(one, unknownKey()).get('/v1/orders', from(someAddress()));
    expect(answer.status).toBe(401);
    expect(answer.headers.get('RateLimit')).toBeNull();
  });

  test('the limit before permissions and body', async () => {
    const answer = await as(one, await exhausted()).put('/v1/skus/A', huge);
    expect(codeOf(answer)).toEqual([429, 'rate_limited']);
  });

  test('permissions before the body', async () => {
    const auditor = as(one, await plantKey(sql, { roles: ['auditor'] }));
    expect(codeOf(await auditor.put('/v1/skus/A', huge))).toEqual([403, 'forbidden']);
  });

  test('the body before what is in it, and before a claim on the key', async () => {
    const [client, key] = [as(one, await merchant()), randomUUID()];
    expect(codeOf(await client.post('/v1/wallets', huge, { key }))).toEqual([413, 'body_too_large']);
    expect(await findClaims(sql, key)).toHaveLength(0);
  });

  test('the credentials and the limit before admission: nobody without a place waits for one', async () => {
    const database = openDatabase(system.url, { connections: 2, name: 'test' });
    const busy = await serve({ ...system, database }, strict);
    const [key, limited] = [await plantKey(sql, { roles: ['auditor'] }), await exhausted()];
    const patient = await serve(
      { ...system, database },
      { rateLimits: { ...limits, quotas: { ...limits.quotas, reads: 400 } } },
    );
    // More at once than half of two connections can answer in time.
    const flood = Promise.all(Array.from({ length: 600 }, () => as(patient, key).get('/v1/orders')));
    const [without, beyond] = await Promise.all([
      Promise.all(Array.from({ length: 50 }, () => new ApiClient(fetchFrom(patient.url)).get('/v1/orders'))),
      as(busy, limited).get('/v1/orders'),
    ]);
    expect(new Set(without.map(({ status }) => status))).toEqual(new Set([401]));
    expect(codeOf(beyond)).toEqual([429, 'rate_limited']);
    const answers = await flood;
    await database.close();
    const overloaded = answers.filter(({ body }) => body.code === 'overloaded');
    expect(overloaded.length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(200);
    // A caller who has nothing left is not asked to come back before there is something again.
    for (const answer of overloaded) {
      const [, left, reset] = /r=(\d+);t=(\d+)$/.exec(answer.headers.get('RateLimit') ?? '') ?? [];
      if (left === '0') expect(secondsToWait(answer)).toBe(Number(reset));
      else expect(secondsToWait(answer)).toBeLessThan(50);
    }
  });
});

test('docs/api.md names what can refuse a request with the status that it has', async () => {
  const document = await readFile(new URL('../../../docs/api.md', import.meta.url), 'utf8');
  const statuses = new Map<string, number>(
    Object.entries(PROBLEMS).map(([code, problem]) => [code, problem.status]),
  );
  const rows = document.split('\n').filter((line) => /^\| \d+ +\|/.test(line));
  expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(rows.map((_, index) => index + 1));
  for (const row of rows)
    for (const [, status, code = ''] of row.matchAll(/(\d{3}) `(\w+)`/g))
      expect([code, statuses.get(code)]).toEqual([code, Number(status)]);
});
