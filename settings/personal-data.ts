/** Settings for personal data: the keys that encrypt it, and those by which e-mail addresses are found. */
import { createSecretKey } from 'node:crypto';
import { z } from 'zod';
import { KEY_BYTES, KEY_NAME_PATTERN } from '../domain/personal-data.ts';
import type { KeyRing, NamedKey, PersonalDataKeys } from '../domain/personal-data-keys.ts';

const LONGEST_RING = 4_000;
const EXPECTED =
  'must be keys with commas between them, the current one first, each as name:key, where the name has up to 40 letters, digits and . _ - ' +
  'and the key is 32 bytes in base64, as `openssl rand -base64 32` prints them; no name and no key comes twice';

const keyRing = z
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

/** Both are set, or none is and no order may have personal fields. */
export const personalDataSchema = z.object({
  PERSONAL_DATA_KEYS: keyRing.optional(),
  PERSONAL_DATA_INDEX_KEYS: keyRing.optional(),
});

/** Undefined when there is to be no personal data. */
export function toPersonalDataKeys(
  { PERSONAL_DATA_KEYS: wrapping, PERSONAL_DATA_INDEX_KEYS: index }: z.output<typeof personalDataSchema>,
  context: z.RefinementCtx,
): PersonalDataKeys | undefined {
  if (wrapping !== undefined && index !== undefined) return { wrapping, index };
  const together = { PERSONAL_DATA_KEYS: wrapping, PERSONAL_DATA_INDEX_KEYS: index };
  const missing = Object.entries(together).filter(([, value]) => value === undefined);
  if (missing.length < 2)
    for (const [name] of missing)
      context.addIssue({
        code: 'custom',
        path: [name],
        message: `is missing: ${Object.keys(together).join(' and ')} are set together`,
      });
  return undefined;
}
