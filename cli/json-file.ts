/** The file to which a measuring command writes its figures. */
import { access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from './user-error.ts';

/**
 * Returns the value of `--json`.
 * @throws {UserError} when it cannot be written, before minutes are spent on figures for it.
 */
export async function writableJsonFile(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const folder = dirname(resolve(file));
  await access(folder, constants.W_OK).catch(() => {
    throw new UserError(`--json ${file} cannot be written: ${folder} does not exist, or is not writable.`);
  });
  return file;
}
