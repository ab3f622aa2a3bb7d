/**
 * System folders for what PostgreSQL's user must reach when it may not enter the project's folder, such as one in /root.
 * They belong to root, so that nobody else can plant a file or a link in them. Others may pass through but not list them.
 */
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { canEnter, type OsUser } from './user.ts';
import { UserError } from '../../cli/user-error.ts';

/** The first belongs to root alone and survives a restart of the machine. The others are for a read-only system. */
const PLACES = ['/var/lib', '/var/tmp', '/tmp'] as const;

/** Calls `use` with one folder after the other until it returns something. */
export function inSystemFolder<T>(user: OsUser, use: (folder: string) => T | undefined): T {
  const tried: string[] = [];
  for (const place of PLACES) {
    try {
      const folder = makeOurs(join(place, 'holdfast'));
      if (!canEnter(user, folder)) throw new Error(`the user ${user.name} may not enter it`);
      const used = use(folder);
      if (used !== undefined) return used;
    } catch (error) {
      tried.push(`${join(place, 'holdfast')}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new UserError(
    `PostgreSQL does not run as root but as the user ${user.name}, who may not enter this project's folder. Tried instead:\n` +
      `${tried.map((line) => `  - ${line}`).join('\n')}\n` +
      'Use an ordinary user, put this project into a folder that every user may enter (such as /srv),\n' +
      'or set DATABASE_URL to a PostgreSQL 16 or newer of your own.',
  );
}

/** In /tmp somebody else may have created the folder first, or a link in its place: then it is not ours to use. */
function makeOurs(folder: string): string {
  try {
    mkdirSync(folder);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  refuseUnlessOurs(folder);
  // Independent of the umask.
  chmodSync(folder, 0o711);
  return folder;
}

/** @throws {Error} when somebody else could have put something into this folder. */
export function refuseUnlessOurs(folder: string): void {
  const found = lstatSync(folder);
  if (!found.isDirectory()) throw new Error('it is not a folder');
  if (found.uid !== process.getuid?.()) throw new Error('it belongs to another user');
  if ((found.mode & 0o022) !== 0) throw new Error('other users may write to it');
}
