/** Keys of the installation on a developer's machine: what is encrypted in its database can be read for as long as the file is there. */
import { randomBytes } from 'node:crypto';
import { KEY_BYTES } from '../domain/key-ring.ts';
import { readSecretFile, writeSecretFile } from './secret-file.ts';

/** Settings that are set together. */
export const PERSONAL_DATA_SETTINGS = ['PERSONAL_DATA_KEYS', 'PERSONAL_DATA_INDEX_KEYS'] as const;
export const WEBHOOK_SETTINGS = ['WEBHOOK_SECRET_KEYS'] as const;
export const PAYLOAD_SETTINGS = ['PAYLOAD_KEYS'] as const;
export const SESSION_SETTINGS = ['SESSION_KEYS'] as const;

/** The settings in this environment, or those in the file, which is written if there is none. */
export function ensureKeys(
  names: readonly string[],
  environment: NodeJS.ProcessEnv,
  file: string,
): Readonly<Record<string, string>> {
  const set = names.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  if (set.length > 0) return Object.fromEntries(set);
  const kept = readSecretFile(file);
  if (kept !== undefined) return parse(kept);
  const text = names.map((name) => `${name}=local:${randomBytes(KEY_BYTES).toString('base64')}`).join('\n');
  writeSecretFile(file, text);
  return parse(text);
}

const parse = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split('\n').map((line) => {
      const end = line.indexOf('=');
      return [line.slice(0, end), line.slice(end + 1)];
    }),
  );
