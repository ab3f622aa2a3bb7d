/** A detached process that is of use only once it is ready: it gets there in time, or is stopped and its log shown. */
import { existsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startDetached, type DetachedOptions, type DetachedProcess, type StopSignal } from './detached.ts';
import { lastLogLines } from './log-lines.ts';
import { UserError } from '../../cli/user-error.ts';

/** What each kind of server lets its caller choose. */
export interface StartOptions {
  /** Appended to. */
  logFile: string;
  /** Ends a start that is under way: what it began is stopped, and it rejects. */
  signal?: AbortSignal | undefined;
  /** Told the process id at once, before the server is ready, so that it can be written down. */
  onSpawn?: ((pid: number) => void) | undefined;
}

export interface ServerOptions extends DetachedOptions, StartOptions {
  /** As people call it, at the start of a sentence. */
  name: string;
  /** Asked again and again; `logFrom` is where this process's part of the log begins. */
  isReady(process: DetachedProcess, logFrom: number): boolean | Promise<boolean>;
  deadlineMs: number;
  /** How it is asked to end, the gentle way first. */
  shutdown: readonly StopSignal[];
}

export interface ServerProcess {
  pid: number;
  /** How it ended, in words; also when nobody asked it to. */
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
  const what = server.ended === undefined ? late : `ended while starting (${server.ended})`;
  throw new UserError(
    `${options.name} ${what}. The end of ${options.logFile}:\n${lastLogLines(options.logFile, logFrom)}`,
  );
}
