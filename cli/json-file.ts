/** The file that a measuring command writes its figures to. */
import { access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from './user-error.ts';

/**
 * Passes the value of `--json` on.
 * @throws {UserError} when it cannot be written: found out before minutes are spent on figures for it.
 */
export async function writableJsonFile(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const folder = dirname(resolve(file));
  await access(folder, constants.W_OK).catch(() => {
    throw new UserError(
      `--json ${file} cannot be written: ${folder} is not there, or may not be written to.`,
    );
  });
  return file;
}
