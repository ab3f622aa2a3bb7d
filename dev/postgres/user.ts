/** PostgreSQL refuses to run as root: finds another user of the machine for it, and what that user can reach. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../cli/user-error.ts';

export interface OsUser {
  name: string;
  uid: number;
  gid: number;
}

/** The user that a PostgreSQL installation creates comes first, then the one that every system has. */
const CANDIDATES = ['postgres', 'nobody'] as const;

/**
 * The user to run PostgreSQL as. Undefined for the user of this process, which is the answer for everyone but root.
 * @param dataFolder stays with the user that it was created for, so that it can still be opened.
 * @throws {UserError} when the machine has no user for it, or the folder belongs to another one.
 */
export function postgresUser(dataFolder: string): OsUser | undefined {
  if (process.getuid?.() !== 0) {
    refuseFolderOfAnotherUser(dataFolder);
    return undefined;
  }
  return ownerOf(dataFolder) ?? firstCandidate();
}

function refuseFolderOfAnotherUser(dataFolder: string): void {
  const uid = process.getuid?.();
  if (uid === undefined || !existsSync(dataFolder) || statSync(dataFolder).uid === uid) return;
  throw new UserError(
    `The database in ${dataFolder} belongs to another user of this machine: an earlier start ran as root or as someone else.\n` +
      'Start as that user again, or set HOLDFAST_DATA to another folder.',
  );
}

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

/** Whether the user can enter the folder. Tried, not computed: links, access lists and the container all play a part. */
export const canEnter = (user: OsUser, folder: string): boolean =>
  canRun(user, '/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder]) === undefined;

/**
 * Undefined when the user can run the program, else the system's reason.
 * @throws {UserError} when this process may not act as any other user, as in some containers.
 */
export function canRun(
  { name, uid, gid }: OsUser,
  program: string,
  args: readonly string[],
): string | undefined {
  try {
    // Not from the current folder, which the user may not enter.
    execFileSync(program, args, { uid, gid, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // EACCES concerns the program; these concern becoming the user.
    if ('code' in error && (error.code === 'EPERM' || error.code === 'EINVAL')) {
      throw new UserError(
        `PostgreSQL does not run as root, and this system does not let root run it as the user ${name} (${error.code}).\n` +
          'Use an ordinary user, or set DATABASE_URL to a PostgreSQL 16 or newer of your own.',
      );
    }
    const said = 'stderr' in error ? String(error.stderr).trim() : '';
    return said === '' ? error.message : said;
  }
}
