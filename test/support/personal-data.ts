/** Keys of personal data, as an installation would make them. */
import { randomBytes } from 'node:crypto';
import type { PersonalDataKeys } from '../../domain/personal-data-keys.ts';
import { personalDataSettings } from '../../settings.ts';

export const aKey = (name: string): string => `${name}:${randomBytes(32).toString('base64')}`;

export interface KeySettings {
  PERSONAL_DATA_KEYS: string;
  PERSONAL_DATA_INDEX_KEYS: string;
}

/** Of every API that tests start, unless they make their own. */
export const TEST_KEYS: KeySettings = {
  PERSONAL_DATA_KEYS: aKey('test'),
  PERSONAL_DATA_INDEX_KEYS: aKey('test-index'),
};

export function readKeys(settings: KeySettings = TEST_KEYS): PersonalDataKeys {
  const { personalData } = personalDataSettings({ DATABASE_URL: 'postgres://localhost', ...settings });
  if (!personalData) throw new Error('These settings name no keys.');
  return personalData;
}
