/** Runs a real Prometheus on loopback, where one is installed: the project fetches none. */
import { accessSync, constants, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { freePort } from '../ports.ts';
import { startServer, type ServerProcess, type StartOptions } from '../processes/server-process.ts';
import { localConfig, type LocalConfig } from './config.ts';

const READY_DEADLINE_MS = 60_000;
const PROBE_DEADLINE_MS = 2_000;
const SHUTDOWN = { signal: 'SIGTERM', graceMs: 15_000 } as const;
/** Enough for the longest window of the rules, three days, and for a look at the week before. */
const KEPT = '15d';

/** Where the program is, or undefined when it is not installed. */
export const findPrometheus = (environment: NodeJS.ProcessEnv): string | undefined =>
  (environment['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'prometheus'))
    .find(isProgram);

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

export interface PrometheusOptions extends StartOptions, LocalConfig {
  program: string;
  /** 0: any free port. */
  port: number;
  /** Created when it does not exist. */
  dataFolder: string;
}

export interface Prometheus extends ServerProcess {
  address: string;
}

/**
 * Resolves when it answers queries.
 * @throws {UserError} when it does not start; its log says why.
 */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const folder = resolve(options.dataFolder);
  const port = options.port === 0 ? await freePort() : options.port;
  const address = `http://127.0.0.1:${port}`;
  mkdirSync(folder, { recursive: true });
  const configFile = join(folder, 'prometheus.json');
  writeFileSync(configFile, localConfig(options));
  const server = await startServer({
    ...options,
    name: 'Prometheus',
    command: options.program,
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--storage.tsdb.retention.time=${KEPT}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    isReady: () => isReady(address),
    deadlineMs: READY_DEADLINE_MS,
    shutdown: [SHUTDOWN],
  });
  return { ...server, address };
}

async function isReady(address: string): Promise<boolean> {
  try {
    const answer = await fetch(`${address}/-/ready`, { signal: AbortSignal.timeout(PROBE_DEADLINE_MS) });
    await answer.bytes();
    return answer.ok;
  } catch {
    return false;
  }
}
