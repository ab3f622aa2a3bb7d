/** The text of an API key: `hf_<key id>_<secret>_<checksum>`. How it is made, read and hashed. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** By which scanners find a key that was left somewhere. */
const PREFIX = 'hf';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const ID_LENGTH = 12;
const SECRET_BYTES = 32;
/** 62^43 is just above 2^256. */
const SECRET_LENGTH = 43;
/** 62^6 is above 2^32. */
const CHECKSUM_LENGTH = 6;

export const KEY_ID_PATTERN = `^[a-z2-7]{${ID_LENGTH}}$`;

const TEXT = new RegExp(
  `^(${PREFIX}_([a-z2-7]{${ID_LENGTH}})_[0-9A-Za-z]{${SECRET_LENGTH}})_([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`,
);

/** What the database knows of a key's text. */
export interface KeyPrint {
  keyId: string;
  /** SHA-256 of the whole text, in hex. A slow hash would add nothing: the secret has 256 random bits. */
  hash: string;
}

export const makeKeyId = (): string => toBase32(randomBytes(ID_LENGTH));

/** The same id for the same request, so that a request that is sent again makes no second key. */
export const keyIdOf = (requestId: string): string =>
  toBase32(createHash('sha256').update(requestId).digest().subarray(0, ID_LENGTH));

/** A letter for each byte. 256 is a multiple of 32, so each letter is equally likely. */
const toBase32 = (bytes: Buffer): string =>
  Array.from(bytes, (byte) => BASE32.charAt(byte % BASE32.length)).join('');

/** A text with a new secret, for the key's holder, and its hash, for the database. */
export function makeKeyText(keyId: string): { text: string; hash: string } {
  const secret = toBase62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_LENGTH);
  const body = `${PREFIX}_${keyId}_${secret}`;
  const text = `${body}_${checksumOf(body)}`;
  return { text, hash: hashOf(text) };
}

/** Undefined for a text that can be no key, a mistyped or shortened one included: the database need not be asked. */
export function readKeyText(text: string): KeyPrint | undefined {
  const [, body, keyId, checksum] = TEXT.exec(text) ?? [];
  if (body === undefined || keyId === undefined || checksumOf(body) !== checksum) return undefined;
  return { keyId, hash: hashOf(text) };
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Takes as long for hashes that differ at once as for those that differ at the end. */
export function isSameHash(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}

const checksumOf = (body: string): string => toBase62(BigInt(crc32(body)), CHECKSUM_LENGTH);

function toBase62(value: bigint, length: number): string {
  let digits = '';
  for (let rest = value; digits.length < length; rest /= 62n)
    digits = BASE62.charAt(Number(rest % 62n)) + digits;
  return digits;
}
