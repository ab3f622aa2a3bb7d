/**
 * Root's projects in folders that no other user may enter: PostgreSQL runs all the same, its programs and data are where its
 * user can reach them, nobody else can read or plant anything there, and each project has a database of its own.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { openPostgres } from '../../db/postgres.ts';
import { findPostgresBinaries, runnableBy } from '../../dev/postgres/binaries.ts';
import { deleteData, hasData } from '../../dev/postgres/data-place.ts';
import { canRun, postgresUser } from '../../dev/postgres/user.ts';
import { startPostgres, type Postgres } from '../../dev/postgres/server.ts';
import { refuseUnlessOurs } from '../../dev/postgres/system-folder.ts';
import { until } from '../support/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const isRoot = process.getuid?.() === 0;

const folders: string[] = [];
afterAll(() => {
  // Inner folders first.
  for (const folder of folders.toReversed()) {
    for (const name of ['postgres', 'data/postgres'])
      if (hasData(join(folder, name))) deleteData(join(folder, name));
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Only its owner may enter, as with `mktemp -d`. */
function closedFolder(name = ''): string {
  const outer = mkdtempSync(join(tmpdir(), 'holdfast-closed-'));
  folders.push(outer);
  const folder = join(outer, name);
  mkdirSync(folder, { recursive: true });
  if (folder !== outer) folders.push(folder);
  return folder;
}

const linkIn = (folder: string): string => join(folder, 'postgres.elsewhere');
const placeOf = (folder: string): string => readFileSync(linkIn(folder), 'utf8').trim();

async function withServer<T>(
  folder: string,
  use: (server: Postgres, said: string[]) => Promise<T>,
): Promise<T> {
  const said: string[] = [];
  const server = await startPostgres({
    dataFolder: join(folder, 'postgres'),
    port: 0,
    durable: false,
    logFile: join(folder, 'postgres.log'),
    report: (line) => said.push(line),
  });
  try {
    return await use(server, said);
  } finally {
    await server.stop();
  }
}

/** Adds a word to the database, if given, and returns all of them. */
async function words(server: Postgres, word?: string): Promise<string[]> {
  const sql = openPostgres(server.url, { connections: 1 });
  try {
    await sql`create table if not exists word (word text)`;
    if (word !== undefined) await sql`insert into word values (${word})`;
    return (await sql<{ word: string }[]>`select word from word`).map((row) => row.word);
  } finally {
    await sql.end();
  }
}

const keep = (folder: string, word?: string): Promise<string[]> =>
  withServer(folder, (server) => words(server, word));

describe.runIf(isRoot)('in a folder that only root may enter,', () => {
  // All that a shell, a URL or an encoding may stumble over is in one name.
  test.each(['', `ünïcödé 店 percent %20 #1 & (more) it's "quoted" $HOME \`x\` \\`])(
    'PostgreSQL runs, and one line names the places of its programs and data, with "%s" in the name of the folder',
    async (name) => {
      const folder = closedFolder(name);
      await withServer(folder, async (server, said) => {
        expect(await words(server, 'kept')).toEqual(['kept']);
        expect(said).toHaveLength(1);
        expect(said[0]).toContain(placeOf(folder));
      });
      expect(await keep(folder), 'after another start').toEqual(['kept']);
      expect(existsSync(join(folder, 'postgres'))).toBe(false);
    },
  );

  test('no other user can read the data of PostgreSQL or plant a file next to it', async () => {
    const folder = closedFolder();
    await keep(folder);
    const place = placeOf(folder);
    for (const path of [dirname(place), place]) expect(() => refuseUnlessOurs(path)).not.toThrow();
    expect(statSync(join(place, 'postgres')).mode & 0o077).toBe(0);
    expect(statSync(linkIn(folder)).mode & 0o077).toBe(0);
    const asNobody =
      (...command: string[]) =>
      () =>
        execFileSync('/bin/sh', ['-c', command.join(' ')], {
          uid: 65_534,
          gid: 65_534,
          stdio: 'ignore',
          cwd: '/',
        });
    expect(asNobody('ls', dirname(place))).toThrow();
    expect(asNobody('touch', `${dirname(place)}/planted`)).toThrow();
    expect(asNobody('touch', `${place}/planted`)).toThrow();
    expect(asNobody('touch', `${dirname(place)}/postgresql-*/bin/planted`)).toThrow();
    // Shows that the commands above failed for the right reason.
    expect(asNobody('true')).not.toThrow();
  });

  test('two projects have two databases', async () => {
    const [one, other] = [closedFolder(), closedFolder()];
    await keep(one, 'of one');
    expect(await keep(other, 'of the other')).toEqual(['of the other']);
    expect(await keep(one)).toEqual(['of one']);
  });

  test('a project that is moved there, or moved again, keeps its database', async () => {
    const open = closedFolder();
    chmodSync(open, 0o755);
    await keep(open, 'from before');
    expect(existsSync(join(open, 'postgres'))).toBe(true);
    const closed = join(closedFolder(), 'project');
    renameSync(open, closed);
    chmodSync(closed, 0o700);
    folders.push(closed);
    expect(await keep(closed, 'from here')).toEqual(['from before', 'from here']);
    expect(existsSync(join(closed, 'postgres'))).toBe(false);
    const again = join(closedFolder(), 'again');
    renameSync(closed, again);
    folders.push(again);
    expect(await keep(again)).toEqual(['from before', 'from here']);
  });

  test('a move of the data that was interrupted is completed by the next start', async () => {
    const folder = closedFolder();
    await keep(folder, 'kept');
    renameSync(join(placeOf(folder), 'postgres'), join(folder, 'postgres'));
    expect(await keep(folder)).toEqual(['kept']);
  });

  test('a copied project may not use the database of the original, and a reset of the copy leaves that database alone', async () => {
    const original = closedFolder();
    await keep(original, 'kept');
    const copy = closedFolder();
    cpSync(original, copy, { recursive: true });
    await expect(keep(copy)).rejects.toThrow(/is a copy of .*npm run reset/s);
    deleteData(join(copy, 'postgres'));
    expect(await keep(copy)).toEqual([]);
    expect(await keep(original)).toEqual(['kept']);
  });

  test('a reset deletes the data where it is, and a start without the data says that it is gone', async () => {
    const folder = closedFolder();
    await keep(folder, 'kept');
    const place = placeOf(folder);
    deleteData(join(folder, 'postgres'));
    expect([existsSync(place), existsSync(linkIn(folder))]).toEqual([false, false]);
    expect(await keep(folder)).toEqual([]);
    rmSync(placeOf(folder), { recursive: true });
    await expect(keep(folder)).rejects.toThrow(/is gone/);
  });

  test('neither a start nor a reset follows a planted file to a folder that Holdfast did not make', async () => {
    const victim = closedFolder();
    writeFileSync(join(victim, 'precious'), 'kept');
    for (const planted of [victim, '/var/lib/holdfast/../../../etc', '/tmp/holdfast/data-x/../../..']) {
      const folder = closedFolder();
      writeFileSync(linkIn(folder), planted);
      await expect(keep(folder)).rejects.toThrow(/was not written by Holdfast/);
      expect(() => deleteData(join(folder, 'postgres'))).toThrow(/was not written by Holdfast/);
      rmSync(linkIn(folder));
    }
    expect(readdirSync(victim)).toEqual(['precious']);
  });

  test('the copy of the programs is complete, runs under any umask of their installation, and only root can change it', async () => {
    const folder = closedFolder();
    const installed = await findPostgresBinaries();
    const version = `test-${process.pid}`;
    cpSync(installed.folder, join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ version }));
    execFileSync('chmod', ['-R', 'go-rwx', folder]);
    const user = postgresUser(join(folder, 'postgres'));
    if (user === undefined) throw new Error('Root runs PostgreSQL as another user.');
    const mine = {
      ...installed,
      folder: join(folder, 'native'),
      postgres: join(folder, 'native/bin/postgres'),
    };
    const copies = await Promise.all([1, 2].map(async () => runnableBy(user, mine)));
    const [copy] = copies;
    try {
      expect(new Set(copies.map((one) => one.folder)).size).toBe(1);
      expect(copy?.folder).toContain(`/holdfast/postgresql-${version}-`);
      expect(canRun(user, copy?.initdb ?? '', ['--version'])).toBeUndefined();
      expect(statSync(copy?.postgres ?? '')).toMatchObject({ uid: 0, mode: 0o100755 });
      // Programs that this user can already run are not copied.
      expect(runnableBy(user, copy ?? mine)).toEqual(copy);
    } finally {
      if (copy) rmSync(copy.folder, { recursive: true });
    }
  });

  test('PostgreSQL gets no folder that another user made or may write to, and no link', () => {
    const folder = closedFolder();
    const made = join(folder, 'holdfast');
    symlinkSync(folder, made);
    expect(() => refuseUnlessOurs(made)).toThrow(/not a folder/);
    rmSync(made);
    mkdirSync(made);
    execFileSync('chown', ['65534', made]);
    expect(() => refuseUnlessOurs(made)).toThrow(/another user/);
    execFileSync('chown', ['0', made]);
    chmodSync(made, 0o777);
    expect(() => refuseUnlessOurs(made)).toThrow(/may write/);
  });
});

describe.runIf(isRoot)('npm start in a folder that only root may enter', () => {
  test('runs the system, and leaves nothing running when npm alone gets a SIGTERM', async () => {
    const folder = closedFolder('a project');
    // The project itself, with a link to its packages.
    for (const name of readdirSync(ROOT))
      if (!['node_modules', '.git', '.holdfast', 'test', 'docs'].includes(name))
        cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const npm = spawn('npm', ['start'], {
      cwd: folder,
      env: {
        ...process.env,
        HOLDFAST_DATA: 'data',
        TEMPORAL_CLI: inject('temporalCli'),
        PORT: '0',
        POSTGRES_PORT: '0',
        TEMPORAL_PORT: '0',
        WEB_UI_PORT: '0',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [npm.stdout, npm.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    const ended = once(npm, 'exit');
    await until(
      'npm start to be ready',
      async () => {
        if (npm.exitCode !== null) throw new Error(`npm start ended:\n${output}`);
        return /Holdfast is ready/.test(output) ? true : undefined;
      },
      90_000,
    );
    expect(output).toMatch(/PostgreSQL runs as the user \w+, not as root.*\/holdfast\/data-/);
    const running = readFileSync(join(folder, 'data/running.json'), 'utf8');
    const pids = [...running.matchAll(/"pid": (\d+)/g)].map(([, pid]) => Number(pid));
    expect(pids).toHaveLength(6);
    npm.kill('SIGTERM');
    await ended;
    await until(
      'everything to end',
      async () => (pids.some(isAlive) || existsSync(join(folder, 'data/running.json')) ? undefined : true),
      60_000,
    );
    const place = placeOf(join(folder, 'data'));
    execFileSync('npm', ['run', 'reset', '--', '--yes'], {
      cwd: folder,
      env: { ...process.env, HOLDFAST_DATA: 'data' },
    });
    expect([existsSync(place), hasData(join(folder, 'data/postgres'))]).toEqual([false, false]);
  }, 200_000);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
