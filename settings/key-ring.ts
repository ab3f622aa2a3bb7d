/** How settings spell a ring of keys. */
import { createSecretKey } from 'node:crypto';
import { z } from 'zod';
import { KEY_BYTES, KEY_NAME_PATTERN, type KeyRing, type NamedKey } from '../domain/key-ring.ts';

const LONGEST_RING = 4_000;
const EXPECTED =
  'must be keys with commas between them, the current one first, each as name:key, where the name has up to 40 letters, digits and . _ - ' +
  'and the key is 32 bytes in base64, as `openssl rand -base64 32` prints them; no name and no key comes twice';

export const keyRing = z
  .string()
  .max(LONGEST_RING, `must have at most ${LONGEST_RING} characters`)
  .transform((text, context): KeyRing => {
    const keys = text.split(',').map(readKey);
    const named = keys.filter((key) => key !== undefined);
    const [current, ...older] = named;
    const isWhole = named.length === keys.length && current !== undefined;
    if (isWhole && isEachOnce(named)) return [current, ...older];
    context.addIssue(EXPECTED);
    return z.NEVER;
  });

function readKey(item: string): NamedKey | undefined {
  const [, name = '', text = ''] = /^\s*([^:\s]*):([A-Za-z0-9+/]{43}=)\s*$/.exec(item) ?? [];
  const bytes = Buffer.from(text, 'base64');
  if (!NAME.test(name) || bytes.length !== KEY_BYTES || bytes.toString('base64') !== text) return undefined;
  return { name, key: createSecretKey(bytes) };
}

const NAME = new RegExp(KEY_NAME_PATTERN);

function isEachOnce(keys: readonly NamedKey[]): boolean {
  return keys.every(({ name, key }, index) =>
    keys.slice(index + 1).every((other) => other.name !== name && !other.key.equals(key)),
  );
}
