/** Starts a server and waits until it is ready. One that is not ready in time is stopped, and the end of its log is shown. */
import { existsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startDetached, type DetachedOptions, type DetachedProcess, type StopSignal } from './detached.ts';
import { lastLogLines } from './log-lines.ts';
import { UserError } from '../../cli/user-error.ts';

/** The options that every kind of server has. */
export interface StartOptions {
  /** Appended to. */
  logFile: string;
  /** Ends a start that is under way: the process is stopped, and the start rejects. */
  signal?: AbortSignal | undefined;
  /** Called with the process id at once, before the server is ready, so that it can be written down. */
  onSpawn?: ((pid: number) => void) | undefined;
}

export interface ServerOptions extends DetachedOptions, StartOptions {
  /** Shown to people, at the start of a sentence. */
  name: string;
  /** Called repeatedly. `logFrom` is where this process's part of the log begins. */
  isReady(process: DetachedProcess, logFrom: number): boolean | Promise<boolean>;
  deadlineMs: number;
  /** The signals that ask it to end, the gentlest first. */
  shutdown: readonly StopSignal[];
}

export interface ServerProcess {
  pid: number;
  /** Resolves when it ends, for whatever reason, with how it ended. */
  exited: Promise<string>;
  stop(): Promise<void>;
}

const POLL_MS = 25;

/** @throws {UserError} with the last lines of its log when it ends or the deadline passes before it is ready. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const logFrom = existsSync(options.logFile) ? statSync(options.logFile).size : 0;
  const server = await startDetached(options);
  const stop = (): Promise<void> => server.stop(...options.shutdown);
  try {
    await untilReady(server, logFrom, options);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: server.pid, exited: server.exited, stop };
}

async function untilReady(server: DetachedProcess, logFrom: number, options: ServerOptions): Promise<void> {
  const givenUpAt = Date.now() + options.deadlineMs;
  while (server.ended === undefined && Date.now() < givenUpAt) {
    options.signal?.throwIfAborted();
    if (await options.isReady(server, logFrom)) return;
    await delay(POLL_MS);
  }
  const late = `was not ready after ${options.deadlineMs / 1_000} s`;
  const failure = server.ended === undefined ? late : `ended while starting (${server.ended})`;
  throw new UserError(
    `${options.name} ${failure}. The end of ${options.logFile}:\n${lastLogLines(options.logFile, logFrom)}`,
  );
}
