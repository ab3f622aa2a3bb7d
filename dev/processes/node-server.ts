/** Starts the worker and the API, which are Node scripts of this project. */
import { DRAIN_LIMIT_MS } from '../../api/http/drain.ts';
import { apiSettings, codecSettings, workerSettings } from '../../settings.ts';
import { FORCED_AFTER_GRACE_MS } from '../../domain/timeouts.ts';
import { ROOT } from '../../cli/data-folder.ts';
import { followLog, parseLogLine } from './log-lines.ts';
import { startServer, type ServerProcess, type StartOptions } from './server-process.ts';

const READY_DEADLINE_MS = 60_000;
/** For closing connections, once everything under way has ended. */
const CLOSE_MS = 5_000;
const PROBE_DEADLINE_MS = 2_000;

export interface NodeServerOptions extends StartOptions {
  env: NodeJS.ProcessEnv;
}

/** Resolves when it takes orders' tasks. */
export function startWorker(options: NodeServerOptions): Promise<ServerProcess> {
  // As long as its settings allow it to take.
  const graceMs = workerSettings(options.env).SHUTDOWN_GRACE + FORCED_AFTER_GRACE_MS + CLOSE_MS;
  return startScript('worker/main.ts', 'The worker', { ...options, graceMs }, (lines) =>
    lines.some((line) => parseLogLine(line)?.['msg'] === 'worker ready'),
  );
}

/** Resolves when it serves requests at `address`. */
export function startApi(options: NodeServerOptions & { address: string }): Promise<ServerProcess> {
  return startScript('api/main.ts', 'The API', ofApi(options), () => answersOk(`${options.address}/readyz`));
}

/** Resolves when it serves requests at `address`. */
export function startCodec(options: NodeServerOptions & { address: string }): Promise<ServerProcess> {
  const env = { SHUTDOWN_NOTICE: '0s', ...LOCAL_LIMITS, ...options.env };
  const graceMs = codecSettings(env).SHUTDOWN_NOTICE + DRAIN_LIMIT_MS + CLOSE_MS;
  return startScript('api/codec/main.ts', 'The codec server', { ...options, env, graceMs }, () =>
    answersOk(`${options.address}/readyz`),
  );
}

/** Starts an API on a port that it chooses itself, and returns the address. */
export async function startApiAnywhere(
  options: NodeServerOptions,
): Promise<{ server: ServerProcess; address: string }> {
  let address: string | undefined;
  const env = { ...options.env, HOST: '127.0.0.1', PORT: '0' };
  const server = await startScript('api/main.ts', 'The API', ofApi({ ...options, env }), async (lines) => {
    const listening = lines.map(parseLogLine).find((entry) => entry?.['msg'] === 'listening');
    if (listening !== undefined) address = `http://127.0.0.1:${String(listening['port'])}`;
    return address !== undefined && (await answersOk(`${address}/readyz`));
  });
  if (address === undefined) throw new Error('An API that is ready has an address.');
  return { server, address };
}

/** Limits that count every request and refuse none: here one key serves tests, benchmarks and demos. */
const NEVER_MET = '1000000';
const LOCAL_LIMITS = {
  RATE_LIMIT_READS: NEVER_MET,
  RATE_LIMIT_WRITES: NEVER_MET,
  RATE_LIMIT_ORDERS: NEVER_MET,
  RATE_LIMIT_ADMIN: NEVER_MET,
  RATE_LIMIT_FAILED_AUTHENTICATIONS: NEVER_MET,
} as const;

/** No load balancer has to notice the stop here, so the API need not wait for one. */
function ofApi(options: NodeServerOptions): NodeServerOptions & { graceMs: number } {
  const env = { SHUTDOWN_NOTICE: '0s', ...LOCAL_LIMITS, ...options.env };
  return { ...options, env, graceMs: apiSettings(env).SHUTDOWN_NOTICE + DRAIN_LIMIT_MS + CLOSE_MS };
}

/** Nobody scrapes tests, benchmarks and demos; `npm start` says where it serves metrics. */
const NO_METRICS = { METRICS_PORT: '0', SDK_METRICS_PORT: '0' } as const;

/** @param isReady gets the lines that were written since its last call. */
function startScript(
  script: string,
  name: string,
  options: NodeServerOptions & { graceMs: number },
  isReady: (newLines: readonly string[]) => boolean | Promise<boolean>,
): Promise<ServerProcess> {
  let newLines: (() => string[]) | undefined;
  return startServer({
    ...options,
    env: { ...NO_METRICS, ...options.env },
    name,
    command: process.execPath,
    args: [script],
    cwd: ROOT,
    isReady: (_process, logFrom) => isReady((newLines ??= followLog(options.logFile, logFrom))()),
    deadlineMs: READY_DEADLINE_MS,
    shutdown: [{ signal: 'SIGTERM', graceMs: options.graceMs }],
  });
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PROBE_DEADLINE_MS) });
    await answer.bytes();
    return answer.ok;
  } catch {
    return false;
  }
}
