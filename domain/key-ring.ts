/** Keys of the installation that encrypt what is stored: one is current, and the others still open what they encrypted. */
import type { KeyObject } from 'node:crypto';
import { openSeal, seal, type SealedAs } from './sealing.ts';

/** Of every key here, whatever it encrypts. */
export const KEY_BYTES = 32;
/** What operators call a key. */
export const KEY_NAME_PATTERN = '^[A-Za-z0-9._-]{1,40}$';

export interface NamedKey {
  name: string;
  key: KeyObject;
}

/** The first is the current one; the others still open what they encrypted. */
export type KeyRing = readonly [current: NamedKey, ...older: NamedKey[]];

/** The settings have no key of that name any more, or not yet. */
export class UnknownKeyError extends Error {
  override name = 'UnknownKeyError';
}

export interface SealedWith {
  sealed: Buffer;
  /** The name of the key. */
  key: string;
}

export function sealWithCurrent([current]: KeyRing, value: Uint8Array, as: SealedAs): SealedWith {
  return { sealed: seal(current.key, value, as), key: current.name };
}

/**
 * @param setting that has the ring, for the reader of the error.
 * @throws {UnknownKeyError | SealBrokenError}
 */
export function openWithRing(
  ring: KeyRing,
  { sealed, key }: { sealed: Uint8Array; key: string },
  as: SealedAs,
  setting: string,
): Buffer {
  const named = ring.find(({ name }) => name === key);
  if (named === undefined)
    throw new UnknownKeyError(`${setting} has no key ${key}, with which ${as[0]} is encrypted.`);
  return openSeal(named.key, sealed, as);
}
