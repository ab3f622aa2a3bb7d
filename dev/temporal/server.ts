/** Runs a real Temporal server with its Web UI for developers and tests: `temporal server start-dev` on loopback. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTE_OPTIONS } from '../../client/search-attributes.ts';
import { freePort } from '../ports.ts';
import { startServer, type ServerProcess, type StartOptions } from '../processes/server-process.ts';
import type { TemporalCli } from './cli.ts';
import { UserError } from '../../cli/user-error.ts';

const READY_DEADLINE_MS = 60_000;
const ANSWER_DEADLINE_MS = 2_000;
/** gRPC would wait a second or more between two attempts to connect. */
const RECONNECT_FAST = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 50,
} as const;
const SHUTDOWN = { signal: 'SIGTERM', graceMs: 10_000 } as const;
/**
 * A cluster has hundreds of shards and never notices the limits of each. The development server has one, so the defaults were seen:
 * at most 20 looks a second for tasks and for timers, which kept a new order waiting for up to 50 ms, and no timer, such as the
 * pause before a retry, fired within a second. Nor was a workflow deleted before the server noted that its end was handled, which
 * it does every 30 s.
 */
const DYNAMIC_CONFIG = [
  'history.transferProcessorMaxPollRPS=200',
  'history.timerProcessorMaxPollRPS=200',
  'history.timerProcessorMaxTimeShift="10ms"',
  'history.transferProcessorUpdateAckInterval="1s"',
] as const;

export interface TemporalOptions extends StartOptions {
  cli: TemporalCli;
  /** Of the gRPC service; 0: any free port. */
  port: number;
  /** Of the Web UI; 0: any free port; left out: no Web UI. */
  uiPort?: number;
  /** Where the Web UI has payloads read. */
  codecEndpoint?: string;
  /** Holds its state; left out: in memory. */
  databaseFile?: string;
  namespace?: string;
  /** Of its metrics; left out: none. */
  metricsPort?: number;
  /** Lets tests move a workflow's clock. */
  timeSkipping?: boolean;
  /** Of the server's process; this process's own unless given. */
  env?: NodeJS.ProcessEnv;
}

export interface Temporal extends ServerProcess {
  address: string;
  /** Undefined without a Web UI. */
  uiAddress: string | undefined;
}

/**
 * Resolves when its namespace can be used.
 * @throws {UserError} when it cannot run here, or another version created the file.
 */
export async function startTemporal(options: TemporalOptions): Promise<Temporal> {
  const { cli, namespace = 'default' } = options;
  if (options.databaseFile !== undefined) claimDatabaseFile(options.databaseFile, cli);
  const port = options.port === 0 ? await freePort() : options.port;
  const uiPort = options.uiPort === 0 ? await freePort() : options.uiPort;
  const address = `127.0.0.1:${port}`;
  const connection = Connection.lazy({ address, channelArgs: RECONNECT_FAST });
  try {
    const server = await startServer({
      ...options,
      name: 'Temporal',
      command: cli.path,
      args: serverArguments(options, port, uiPort),
      isReady: () => knowsNamespace(connection, namespace),
      deadlineMs: READY_DEADLINE_MS,
      shutdown: [SHUTDOWN],
    });
    return { ...server, address, uiAddress: uiPort === undefined ? undefined : `http://127.0.0.1:${uiPort}` };
  } finally {
    await connection.close();
  }
}

/** Whether a Temporal server answers there and has the namespace. */
export async function isTemporalReady(address: string, namespace: string): Promise<boolean> {
  const connection = Connection.lazy({ address });
  try {
    return await knowsNamespace(connection, namespace);
  } finally {
    await connection.close();
  }
}

function serverArguments(options: TemporalOptions, port: number, uiPort: number | undefined): string[] {
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--log-level', 'warn'];
  if (uiPort === undefined) args.push('--headless');
  else args.push('--ui-port', String(uiPort), '--ui-disable-news-fetch');
  if (options.codecEndpoint !== undefined) args.push('--ui-codec-endpoint', options.codecEndpoint);
  if (options.databaseFile !== undefined) args.push('--db-filename', resolve(options.databaseFile));
  if (options.metricsPort !== undefined) args.push('--metrics-port', String(options.metricsPort));
  if (options.namespace !== undefined) args.push('--namespace', options.namespace);
  for (const attribute of SEARCH_ATTRIBUTE_OPTIONS) args.push('--search-attribute', attribute);
  const dynamic: string[] = [...DYNAMIC_CONFIG];
  if (options.timeSkipping === true) dynamic.push('frontend.WorkflowTimeSkippingEnabled=true');
  return [...args, ...dynamic.flatMap((value) => ['--dynamic-config-value', value])];
}

/** The file has the tables of the server that created it, and no later version changes them: it stays with that version. */
function claimDatabaseFile(file: string, { version }: TemporalCli): void {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  const versionFile = `${file}.version`;
  if (!existsSync(file) || !existsSync(versionFile)) {
    writeFileSync(versionFile, `${version}\n`);
    return;
  }
  const made = readFileSync(versionFile, 'utf8').trim();
  if (minorVersion(made) === minorVersion(version)) return;
  throw new UserError(
    `The temporal command ${made} wrote the orders in ${file}. This is ${version}, which may not be able to read them.\n` +
      `Set TEMPORAL_CLI to a temporal command ${minorVersion(made)}, or delete the local data with \`npm run reset\`.`,
  );
}

const minorVersion = (version: string): string => version.split('.', 2).join('.');

async function knowsNamespace(connection: Connection, namespace: string): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + ANSWER_DEADLINE_MS, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
    return true;
  } catch {
    return false;
  }
}
