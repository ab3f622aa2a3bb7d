/** A session is its person's credential, which nobody can read, change or use after its end. */
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import {
  SESSION_COOKIE,
  SESSION_MS,
  SessionTooLongError,
  endSession,
  openSession,
  readSession,
  sealSession,
  startSession,
} from '../../../api/access/session.ts';
import { keyRing } from '../../../settings/key-ring.ts';
import { aKey } from '../../support/personal-data.ts';

const NOW = Date.parse('2026-11-28T09:00:00Z');
const CREDENTIAL = 'hf_planted_secret';
const [oldKey, newKey] = [aKey('2026.10'), aKey('2026-11')];
const ring = keyRing.parse(oldKey);
const rotated = keyRing.parse(`${newKey},${oldKey}`);

test('a session gives back its credential, and shows nothing of it', () => {
  const value = sealSession(ring, CREDENTIAL, NOW);
  expect(openSession(ring, value, NOW)).toBe(CREDENTIAL);
  expect(Buffer.from(value, 'base64url').toString('latin1')).not.toContain('planted');
  expect(value).toMatch(/^2026\.10\.[\w-]+$/);
});

test('a session ends after 12 hours, and not before', () => {
  const value = sealSession(ring, CREDENTIAL, NOW);
  expect(openSession(ring, value, NOW + SESSION_MS - 1)).toBe(CREDENTIAL);
  expect(openSession(ring, value, NOW + SESSION_MS)).toBeUndefined();
});

test('a session outlives a change of keys while its key is in the ring, and ends with it', () => {
  const value = sealSession(ring, CREDENTIAL, NOW);
  expect(openSession(rotated, value, NOW)).toBe(CREDENTIAL);
  expect(openSession(keyRing.parse(newKey), value, NOW)).toBeUndefined();
  expect(sealSession(rotated, CREDENTIAL, NOW)).toMatch(/^2026-11\./);
});

test.each(['', '.', 'a.b', '2026.10.', '2026.10.AAAA', CREDENTIAL])('%j is no session', (value) => {
  expect(openSession(ring, value, NOW)).toBeUndefined();
});

test('a session that was changed anywhere is none', () => {
  const value = sealSession(ring, CREDENTIAL, NOW);
  const start = value.lastIndexOf('.') + 1;
  for (let at = start; at < value.length; at += 7) {
    const changed = `${value.slice(0, at)}${value[at] === 'A' ? 'B' : 'A'}${value.slice(at + 1)}`;
    expect(openSession(ring, changed, NOW), `changed at ${at}`).toBeUndefined();
  }
});

test('a credential that a browser would not keep is refused at once', () => {
  expect(() => sealSession(ring, 'x'.repeat(2_800), NOW)).not.toThrow();
  expect(() => sealSession(ring, 'x'.repeat(2_900), NOW)).toThrow(SessionTooLongError);
});

const app = new Hono()
  .post('/in', (c) => {
    startSession(c, ring, CREDENTIAL);
    return c.text('');
  })
  .post('/out', (c) => {
    endSession(c);
    return c.text('');
  })
  .get('/', (c) => c.text(readSession(c, ring) ?? 'nobody'));

const cookieOf = async (url: string): Promise<string> =>
  (await app.request(url, { method: 'POST' })).headers.get('set-cookie') ?? '';

test.each(['http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:80'])(
  'the cookie of %s needs no TLS, as nothing leaves the machine',
  async (origin) => {
    expect(await cookieOf(`${origin}/in`)).toMatch(
      new RegExp(`^${SESSION_COOKIE}=2026\\.10\\.[\\w-]+; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict$`),
    );
  },
);

test.each(['http://ops.example.com', 'http://127.0.0.1.example.com', 'https://ops.example.com'])(
  'the cookie of %s is sent over TLS alone',
  async (origin) => {
    expect(await cookieOf(`${origin}/in`)).toContain('; Secure');
    expect(await cookieOf(`${origin}/out`)).toContain('; Secure');
  },
);

test('a browser that sends its cookie is known until it logs out', async () => {
  const [cookie = ''] = (await cookieOf('http://localhost/in')).split(';');
  const ask = async (cookies: string) =>
    (await app.request('http://localhost/', { headers: { cookie: cookies } })).text();
  expect(await ask(`other=1; ${cookie}`)).toBe(CREDENTIAL);
  expect(await ask(`${SESSION_COOKIE}=${CREDENTIAL}`)).toBe('nobody');
  expect(await ask('other=1')).toBe('nobody');
  expect(await cookieOf('http://localhost/out')).toMatch(
    new RegExp(`^${SESSION_COOKIE}=; Max-Age=0; Path=/`),
  );
});
