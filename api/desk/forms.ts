/** Reads forms, and only those that one of our own pages sent. */
import { hash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import { readBytes, type BodyLimits } from '../http/body.ts';
import { Problem } from '../problems/problem.ts';

const FORM = 'application/x-www-form-urlencoded';

/**
 * The cookie goes with requests of the same site only, but ports of one machine are one site: so the page that sent the form must have
 * this very origin, too. Behind a proxy that ends TLS, this process knows its host alone.
 * @throws {Problem} `forbidden` for a form of another page, `unsupported_media_type` for what is no form.
 */
export async function readForm(c: Context, limits: BodyLimits): Promise<URLSearchParams> {
  const origin = c.req.header('Origin') ?? '';
  const own = new URL(c.req.url).host;
  if (!URL.canParse(origin) || new URL(origin).host !== own)
    throw new Problem(
      'forbidden',
      'This form was sent by another page. Open the operations page and try again.',
    );
  if (c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase() !== FORM)
    throw new Problem('unsupported_media_type', `A form must be sent as ${FORM}.`);
  return new URLSearchParams(new TextDecoder().decode(await readBytes(c, limits)));
}

/** What proves that a form is of this session: only who has its cookie can know it, and no page reads that. */
export const tokenOf = (cookie: string): string => hash('sha256', `form of ${cookie}`, 'base64url');

/** @throws {Problem} `forbidden` for a form of another session, such as the one before the last login. */
export function requireToken(form: URLSearchParams, expected: string): void {
  const given = Buffer.from(form.get('token') ?? '');
  const token = Buffer.from(expected);
  if (given.length !== token.length || !timingSafeEqual(given, token))
    throw new Problem(
      'forbidden',
      'This form is of an earlier session. Go back, load the page again, and repeat.',
    );
}
