/** Encrypts values so that only holders of the key can read them, and nobody can change them or pass one off as another. */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
/** The bytes that go with a sealed value: a nonce before it, and a tag after it. */
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** What a sealed value is, and of what: it can be opened as nothing else. Only the first word is shown. */
export type SealedAs = readonly [kind: string, ...of: string[]];

/** The value was changed, is another one, or was sealed with another key. Which of these, nobody can say. */
export class SealBrokenError extends Error {
  override name = 'SealBrokenError';
}

/** Returns the nonce, which is another each time, the encrypted value and the tag. */
export function seal(key: KeyObject, value: Uint8Array, as: SealedAs): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(inOneText(as));
  return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
}

/** @throws {SealBrokenError} */
export function openSeal(key: KeyObject, sealed: Uint8Array, as: SealedAs): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw broken(as);
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(inOneText(as));
  decipher.setAuthTag(sealed.subarray(end));
  const value = decipher.update(sealed.subarray(NONCE_BYTES, end));
  try {
    return Buffer.concat([value, decipher.final()]);
  } catch {
    throw broken(as);
  }
}

const broken = (as: SealedAs): SealBrokenError =>
  new SealBrokenError(`What is kept as ${as[0]} was changed, or was encrypted with another key.`);

const inOneText = (as: SealedAs): Buffer => Buffer.from(JSON.stringify(as));
