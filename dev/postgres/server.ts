/**
 * Runs a real PostgreSQL for developers and tests, on loopback, from the binaries that npm installs. Connections need no
 * password: only somebody on this machine can connect.
 */
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
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openPostgres } from '../../db/postgres.ts';
import { signalIfThere } from '../processes/detached.ts';
import { freePort } from '../ports.ts';
import { findPostgresBinaries, isPlainPath, runnableBy, type PostgresBinaries } from './binaries.ts';
import { placeData } from './data.ts';
import type { OsUser } from './user.ts';
import { identify } from '../../cli/process-identity.ts';
import { startServer, type ServerProcess, type StartOptions } from '../processes/server-process.ts';
import { UserError } from '../../cli/user-error.ts';

const run = promisify(execFile);

/** The name of the role and of the database. */
const NAME = 'holdfast';

/** Long, because a large database may have to recover from a kill. A failure ends the wait at once. */
const READY_DEADLINE_MS = 120_000;

/** A fast shutdown ends connections and writes a checkpoint. An immediate one leaves the checkpoint to the next start. */
const SHUTDOWN = [
  { signal: 'SIGINT', graceMs: 15_000 },
  { signal: 'SIGQUIT', graceMs: 5_000 },
] as const;

export interface PostgresOptions extends StartOptions {
  /** Created when it does not exist. Where PostgreSQL's user may not enter, it stands for a system folder. */
  dataFolder: string;
  /** Gets one line when programs or data are elsewhere. */
  report?: ((line: string) => void) | undefined;
  /** 0: any free port. */
  port: number;
  /** False is faster and may lose data when the power fails. A killed process still loses nothing. */
  durable: boolean;
  /** Server settings; they override those that are set here. */
  settings?: Readonly<Record<string, string>>;
}

export interface Postgres extends ServerProcess {
  url: string;
  port: number;
}

/**
 * Resolves when the database `holdfast` takes connections.
 * @throws {UserError} when it cannot run here, or another version made the folder.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const installed = await findPostgresBinaries();
  const { folder: dataFolder, user } = placeData(resolve(options.dataFolder));
  const binaries = user === undefined ? installed : runnableBy(user, installed);
  if (user !== undefined) reportElsewhere(options, user, { installed, binaries, dataFolder });
  if (existsSync(dataFolder)) refuseOtherVersion(dataFolder, binaries);
  else await createDataFolder(dataFolder, binaries, user, options);
  await stopLeftOver(dataFolder);

  const port = options.port === 0 ? await freePort() : options.port;
  const settings = { ...serverSettings(port, options.durable), ...options.settings };
  const before = readPidFile(dataFolder)?.startedAt;
  const server = await startServer({
    ...options,
    name: 'PostgreSQL',
    command: binaries.postgres,
    args: ['-D', dataFolder, ...settingsAsArguments(settings)],
    cwd: dataFolder,
    user,
    // In a container the new server may get the process id of one that was killed, so its file has to be new as well.
    isReady: ({ pid }) => {
      const found = readPidFile(dataFolder);
      return found?.pid === pid && found.startedAt !== before && found.ready;
    },
    deadlineMs: READY_DEADLINE_MS,
    shutdown: SHUTDOWN,
  });
  try {
    await createDatabase(port);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { ...server, port, url: postgresUrl(port) };
}

function reportElsewhere(
  { dataFolder: asked, report }: PostgresOptions,
  { name }: OsUser,
  {
    installed,
    binaries,
    dataFolder,
  }: { installed: PostgresBinaries; binaries: PostgresBinaries; dataFolder: string },
): void {
  const elsewhere = [
    ...(binaries.folder === installed.folder ? [] : [`its programs are in ${binaries.folder}`]),
    ...(dataFolder === resolve(asked) ? [] : [`its data is in ${dataFolder}`]),
  ];
  if (elsewhere.length === 0) return;
  report?.(
    `  PostgreSQL runs as the user ${name}, not as root, and cannot use this folder: ${elsewhere.join(', ')}.`,
  );
}

/** The address of a server that {@link startPostgres} started on this port. */
export const postgresUrl = (port: number, database = NAME): string =>
  `postgres://${NAME}@127.0.0.1:${port}/${database}`;

function serverSettings(port: number, durable: boolean): Record<string, string> {
  const onOff = durable ? 'on' : 'off';
  return {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '128MB',
    fsync: onOff,
    synchronous_commit: onOff,
    full_page_writes: onOff,
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    log_line_prefix: '%m [%p] %q%a ',
  };
}

const settingsAsArguments = (settings: Record<string, string>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

function refuseOtherVersion(dataFolder: string, { majorVersion }: PostgresBinaries): void {
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
async function createDataFolder(
  dataFolder: string,
  binaries: PostgresBinaries,
  user: OsUser | undefined,
  { durable, signal }: PostgresOptions,
) {
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

interface PidFile {
  pid: number;
  startedAt: string | undefined;
  ready: boolean;
}

/** The server itself writes this file. Its last line says when it takes connections. */
function readPidFile(dataFolder: string): PidFile | undefined {
  const file = join(dataFolder, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').split('\n');
  return { pid: Number(lines[0]), startedAt: lines[2], ready: lines[7]?.trim() === 'ready' };
}

/** Stops a server whose starter was killed: it still runs on the folder, and a second one could not start there. */
async function stopLeftOver(dataFolder: string): Promise<void> {
  const pid = readPidFile(dataFolder)?.pid;
  if (pid === undefined || !isServerOf(dataFolder, pid)) return;
  for (const { signal, graceMs } of SHUTDOWN) {
    signalIfThere(pid, signal);
    const givenUpAt = Date.now() + graceMs;
    while (Date.now() < givenUpAt) {
      if (!isServerOf(dataFolder, pid)) return;
      await delay(50);
    }
  }
  throw new UserError(
    `PostgreSQL (process ${pid}) still runs on ${dataFolder} and does not stop. End it with \`kill -9 ${pid}\`.`,
  );
}

function isServerOf(dataFolder: string, pid: number): boolean {
  const commandLine = identify(pid)?.commandLine ?? '';
  return commandLine.includes('postgres') && commandLine.includes(`-D ${dataFolder} `);
}

async function createDatabase(port: number): Promise<void> {
  const sql = openPostgres(postgresUrl(port, 'postgres'), { connections: 1 });
  try {
    const [found] = await sql`select from pg_database where datname = ${NAME}`;
    if (found === undefined) await sql`create database ${sql(NAME)}`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
