/** The session of a person: their credential, sealed in a cookie. Each request checks the credential anew, so a revoked one ends its sessions. */
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { UnknownKeyError, openWithRing, sealWithCurrent, type KeyRing } from '../../domain/key-ring.ts';
import { SealBrokenError } from '../../domain/sealing.ts';

export const SESSION_COOKIE = 'holdfast_session';
/** A working day: the next morning, people log in again. */
export const SESSION_MS = 12 * 3_600_000;
const SEALED_AS = ['the session of a person'] as const;
/** Browsers keep a cookie of 4,096 bytes, with its name and attributes. */
const LONGEST_SESSION = 3_800;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** The credential is too long for a cookie; a token with many claims may be. */
export class SessionTooLongError extends Error {
  override name = 'SessionTooLongError';
}

/**
 * The value of the cookie: `<name of the key>.<what is sealed>`.
 * @param now in milliseconds; the session ends 12 hours later.
 * @throws {SessionTooLongError}
 */
export function sealSession(ring: KeyRing, credential: string, now: number): string {
  const content = Buffer.from(`${now + SESSION_MS} ${credential}`);
  const { sealed, key } = sealWithCurrent(ring, content, SEALED_AS);
  const value = `${key}.${sealed.toString('base64url')}`;
  if (value.length > LONGEST_SESSION)
    throw new SessionTooLongError('This credential is too long for a session.');
  return value;
}

/** The credential in a session; undefined when the session has expired, was changed, or its key is gone. */
export function openSession(ring: KeyRing, value: string, now: number): string | undefined {
  // The name of a key may have a dot in it, and what is sealed has none.
  const end = value.lastIndexOf('.');
  const sealed = Buffer.from(value.slice(end + 1), 'base64url');
  try {
    const content = openWithRing(ring, { sealed, key: value.slice(0, end) }, SEALED_AS, 'SESSION_KEYS');
    const [, expires, credential] = /^(\d+) (.+)$/s.exec(content.toString()) ?? [];
    return Number(expires) > now ? credential : undefined;
  } catch (error) {
    if (error instanceof UnknownKeyError || error instanceof SealBrokenError) return undefined;
    throw error;
  }
}

/** The credential in the request's cookie, if it has a valid one. It proves nothing yet: the credential has to be checked. */
export function readSession(c: Context, ring: KeyRing): string | undefined {
  const value = getCookie(c, SESSION_COOKIE);
  return value === undefined ? undefined : openSession(ring, value, Date.now());
}

/** Gives the browser a session with a credential that was checked. @throws {SessionTooLongError} */
export function startSession(c: Context, ring: KeyRing, credential: string): void {
  setCookie(c, SESSION_COOKIE, sealSession(ring, credential, Date.now()), {
    ...attributesOf(c),
    maxAge: SESSION_MS / 1_000,
  });
}

export const endSession = (c: Context): void => {
  deleteCookie(c, SESSION_COOKIE, attributesOf(c));
};

/** On loopback there is no TLS, and some browsers drop a Secure cookie there. Behind a proxy, the host is the one that the browser asked. */
const attributesOf = (c: Context) => ({
  path: '/',
  httpOnly: true,
  sameSite: 'Strict' as const,
  secure: !LOOPBACK.test(new URL(c.req.url).hostname),
});
