/**
 * Runs a real PostgreSQL for developers and tests, on loopback, from the binaries that npm installs. Connections need no
 * password: only somebody on this machine can connect.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { openPostgres } from '../../db/postgres.ts';
import { freePort } from '../ports.ts';
import { startServer, type ServerProcess, type StartOptions } from '../processes/server-process.ts';
import { findPostgresBinaries, runnableBy, type PostgresBinaries } from './binaries.ts';
import { NAME, createDataFolder, refuseOtherVersion } from './data-folder.ts';
import { placeData } from './data-place.ts';
import { readPidFile, stopLeftOver } from './pid-file.ts';
import type { OsUser } from './user.ts';

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
 * @throws {UserError} when it cannot run here, or another version created the folder.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const installed = await findPostgresBinaries();
  const { folder: dataFolder, user } = placeData(resolve(options.dataFolder));
  const binaries = user === undefined ? installed : runnableBy(user, installed);
  if (user !== undefined) reportElsewhere(options, user, { installed, binaries, dataFolder });
  if (existsSync(dataFolder)) refuseOtherVersion(dataFolder, binaries);
  else await createDataFolder(dataFolder, binaries, user, options);
  await stopLeftOver(dataFolder, SHUTDOWN);

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
    // In a container the new server may get the process id of one that was killed, so its file must be new as well.
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

async function createDatabase(port: number): Promise<void> {
  const sql = openPostgres(postgresUrl(port, 'postgres'), { connections: 1 });
  try {
    const [found] = await sql`select from pg_database where datname = ${NAME}`;
    if (found === undefined) await sql`create database ${sql(NAME)}`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
