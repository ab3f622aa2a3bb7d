/** PostgreSQL refuses to run as root: this finds another user of the machine for it, and whether that one can get at the files. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from './user-error.ts';

export interface OsUser {
  name: string;
  uid: number;
  gid: number;
}

/** In this order: the user that is made for it where PostgreSQL is installed, and the one that every system has. */
const CANDIDATES = ['postgres', 'nobody'] as const;

/**
 * Whom to run PostgreSQL as: undefined for ourselves, which is the case for everyone but root.
 * @throws {UserError} when that user cannot reach a folder that it needs.
 */
export function postgresUser(dataFolder: string, binaries: string): OsUser | undefined {
  if (process.getuid?.() !== 0) {
    refuseFolderOfAnotherUser(dataFolder);
    return undefined;
  }
  const user = ownerOf(dataFolder) ?? firstCandidate();
  for (const folder of [binaries, dirname(dataFolder)]) {
    const closed = closedTo(user, folder);
    if (closed === undefined) continue;
    throw new UserError(
      `PostgreSQL does not run as root, and the user ${user.name}, as whom it would run, may not enter ${closed}.\n` +
        'Use an ordinary user, or put this project into a folder that every user may enter (such as /srv or /tmp),\n' +
        'or set DATABASE_URL to a PostgreSQL 16 or newer of your own.',
    );
  }
  return user;
}

function refuseFolderOfAnotherUser(dataFolder: string): void {
  const uid = process.getuid?.();
  if (uid === undefined || !existsSync(dataFolder) || statSync(dataFolder).uid === uid) return;
  throw new UserError(
    `The database in ${dataFolder} belongs to another user of this machine: an earlier start ran as root or as someone else.\n` +
      'Start as that user again, or set HOLDFAST_DATA to another folder.',
  );
}

/** A folder that was used before keeps its user, so that it can still be opened. */
function ownerOf(dataFolder: string): OsUser | undefined {
  const marker = join(dataFolder, 'PG_VERSION');
  if (!existsSync(marker)) return undefined;
  const { uid, gid } = statSync(marker);
  return uid === 0 ? undefined : { name: `with id ${uid}`, uid, gid };
}

function firstCandidate(): OsUser {
  for (const name of CANDIDATES) {
    const [uid, gid] = [idOf(name, '-u'), idOf(name, '-g')];
    if (uid !== undefined && gid !== undefined) return { name, uid, gid };
  }
  throw new UserError(
    'PostgreSQL does not run as root, and this machine has no user named postgres or nobody for it.\n' +
      'Use an ordinary user, or set DATABASE_URL to a PostgreSQL 16 or newer of your own.',
  );
}

function idOf(name: string, flag: '-u' | '-g'): number | undefined {
  try {
    return Number(
      execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return undefined;
  }
}

/** The outermost folder on the way to `folder` that the user may not pass. */
function closedTo(user: OsUser, folder: string): string | undefined {
  const parent = dirname(folder);
  const outer = parent === folder ? undefined : closedTo(user, parent);
  if (outer !== undefined) return outer;
  const { mode, uid, gid } = statSync(folder);
  const mayEnter = user.uid === uid ? 0o100 : user.gid === gid ? 0o010 : 0o001;
  return (mode & mayEnter) === 0 ? folder : undefined;
}
