/** Looks for what nobody may read later: what buyers pay with, and the keys of the payment provider. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PROVIDER_SECRETS } from '../harness/provider.ts';
import type { Violation } from './figures.ts';

/** How every source begins that the provider accepts without misbehaving. */
export const SOURCE_PREFIX = 'tok_lab_';

/** The logs of every process but the provider's own, and all that Temporal keeps. */
const SEARCHED = /^(?!provider).*\.log$|^temporal\.db/;

/** Temporal runs, and removes it with each commit: what it had is in the database file itself. */
const MAY_VANISH = 'temporal.db-journal';

/** @param folder of the run. */
export function checkSecrets(folder: string): Violation[] {
  return readdirSync(folder)
    .sort()
    .filter((name) => SEARCHED.test(name))
    .flatMap((name) => {
      const contents = read(folder, name);
      return [SOURCE_PREFIX, ...PROVIDER_SECRETS]
        .filter((secret) => contents.includes(secret))
        .map((secret) => ({
          rule: 'neither what a buyer pays with nor a key of the provider is in a log or in Temporal',
          subject: name,
          finding: `contains ${secret === SOURCE_PREFIX ? 'what a buyer pays with' : 'a key of the provider'}`,
        }));
    });
}

function read(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'latin1');
  } catch (error) {
    if (name === MAY_VANISH && isMissing(error)) return '';
    throw error;
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
