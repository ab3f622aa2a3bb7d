/**
 * Checks of the addresses in settings: of PostgreSQL, of Temporal, of the API's own host, of the receiver of alerts, and of pages and
 * proxies in front of the API.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { text, wholeNumber } from './values.ts';

export const port = wholeNumber(0, 65_535);
export const host = text(253).regex(/^[A-Za-z0-9._:%-]+$/, 'must be a host name or an IP address');

const LONGEST_URL = 2_000;

/** Where alerts are posted. */
export const webhookUrl = z
  .url({ protocol: /^https?$/, error: 'must start with http:// or https://' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  // fetch refuses such a URL, but only at the first alert.
  .refine((url) => !/^\w+:\/\/[^/]*@/.test(url), 'must have no user and password in it');

/** Of an integration of PagerDuty, or of what takes its events. */
export const routingKey = text(200).regex(
  /^[A-Za-z0-9_-]+$/,
  'must have only letters, digits, _ and - in it',
);

/** Where people find something in their browsers. Paths are put behind it, so a final slash is dropped. */
export const publicUrl = z
  .url({ protocol: /^https?$/, error: 'must start with http:// or https://' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  .regex(/^\w+:\/\/[^/?#@]+(?:\/[^?#]*)?$/, 'must have no user, query or fragment in it')
  .transform((url) => url.replace(/\/+$/, ''));

export const databaseUrl = z
  .string({ error: 'is missing: where PostgreSQL is, as postgres://user:password@host:port/database' })
  .max(LONGEST_URL, `must have at most ${LONGEST_URL} characters`)
  .regex(/^postgres(ql)?:\/\//, { error: 'must start with postgres://', abort: true })
  .refine(
    isPostgresUrl,
    'must be postgres://user:password@host:port/database, with each character of user and password ' +
      'that has a meaning in a URL (such as # / ? % @ : and a space) written as % and two digits',
  );

/** As postgres.js reads it: of several hosts it parses the first. A stray character would lead to another host or database. */
function isPostgresUrl(address: string): boolean {
  const [, credentials = '', hosts = '', rest = ''] =
    /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)([^@#]*)$/.exec(address) ?? [];
  const [first = ''] = hosts.split(',');
  if (!/^([A-Za-z0-9._%-]+|\[[0-9a-fA-F:.]+\])?(:\d{1,5})?$/.test(first)) return false;
  if (first === '' && credentials === '' && rest === '') return false;
  try {
    const url = new URL(
      `postgres://${credentials === '' ? '' : `${credentials}@`}${first || 'localhost'}${rest}`,
    );
    for (const part of [url.username, url.password, url.pathname]) decodeURIComponent(part);
    return !/\s/.test(address) && url.pathname.lastIndexOf('/') <= 0;
  } catch {
    return false;
  }
}

export const temporalAddress = z
  .string({ error: 'is missing: where Temporal is, as host:port' })
  .max(260, 'must be host:port, of at most 260 characters')
  .regex(/^([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/, { error: 'must be host:port', abort: true })
  .refine((address) => {
    const number = Number(/\d+$/.exec(address)?.[0]);
    return number >= 1 && number <= 65_535;
  }, 'must have a port from 1 to 65535');

const LONGEST_LIST = 4_000;

/** Items with commas between them. */
const list = (isItem: (item: string) => boolean, expected: string) =>
  text(LONGEST_LIST)
    .transform((items) => items.split(',').map((item) => item.trim()))
    .refine((items) => items.every(isItem), expected);

/** Compared with what browsers send, character by character. */
export const origins = list(
  (item) => /^https?:\/\/[^*]+$/.test(item) && URL.canParse(item) && new URL(item).origin === item,
  'must be origins with commas between them, such as https://shop.example.com, without a path or a final slash',
);

export const networks = list(
  isNetwork,
  'must be IP addresses or networks with commas between them, such as 10.0.0.0/8, ::1',
);

function isNetwork(item: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(item) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 6 ? 128 : 32);
}
