/** Settings for personal data: the keys that encrypt it, and those by which e-mail addresses are found. */
import { z } from 'zod';
import type { PersonalDataKeys } from '../domain/personal-data-keys.ts';
import { keyRing } from './key-ring.ts';

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
