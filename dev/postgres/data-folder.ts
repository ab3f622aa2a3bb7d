/** The data folder of a PostgreSQL: created complete or not at all, and opened only by the version that created it. */
import { execFile } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../cli/user-error.ts';
import { isPlainPath, type PostgresBinaries } from './binaries.ts';
import type { OsUser } from './user.ts';

const run = promisify(execFile);

/** The name of the role and of the database. */
export const NAME = 'holdfast';

/** @throws {UserError} when the folder is another version's, or no database. */
export function refuseOtherVersion(dataFolder: string, { majorVersion }: PostgresBinaries): void {
  const marker = join(dataFolder, 'PG_VERSION');
  if (!existsSync(marker)) {
    throw new UserError(
      `${dataFolder} exists but holds no PostgreSQL database. Move it away, or set HOLDFAST_DATA to another folder.`,
    );
  }
  const found = readFileSync(marker, 'utf8').trim();
  if (found === majorVersion) return;
  throw new UserError(
    `The database in ${dataFolder} was made by PostgreSQL ${found}, and this is PostgreSQL ${majorVersion}, which cannot open it.\n` +
      'Delete the local data with `npm run reset`, or keep it and set HOLDFAST_DATA to another folder.',
  );
}

/** The folder appears complete or not at all: a partial one would neither start nor be created again. */
export async function createDataFolder(
  dataFolder: string,
  binaries: PostgresBinaries,
  user: OsUser | undefined,
  { durable, signal }: { durable: boolean; signal?: AbortSignal | undefined },
): Promise<void> {
  const unfinished = `${dataFolder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  if (user) chownSync(unfinished, user.uid, user.gid);
  // The builtin locale is part of PostgreSQL, so the folder does not depend on this machine's C library.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const sync = durable ? [] : ['--no-sync'];
  const args = [
    `--pgdata=${unfinished}`,
    `--username=${NAME}`,
    '--auth=trust',
    '--no-instructions',
    ...locale,
    ...sync,
  ];
  try {
    await withPlainPath(binaries, (initdb) => run(initdb, args, { ...user, cwd: unfinished, signal }));
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    signal?.throwIfAborted();
    const reason = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new UserError(`PostgreSQL could not create its data folder ${dataFolder}:\n${reason}`);
  }
  renameSync(unfinished, dataFolder);
}

/** initdb hands its own path to a shell, so where the path has a quote or a dollar sign, a copy is run. */
async function withPlainPath<T>({ folder, initdb }: PostgresBinaries, use: (initdb: string) => Promise<T>) {
  if (isPlainPath(folder)) return use(initdb);
  const copy = mkdtempSync(join(tmpdir(), 'holdfast-initdb-'));
  try {
    cpSync(folder, copy, { recursive: true, verbatimSymlinks: true });
    return await use(join(copy, 'bin/initdb'));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
