/**
 * Starts processes in groups of their own: a Ctrl-C in the terminal reaches the process that started them but not them, so
 * that they can be stopped in order. They write straight to a log file, so they outlive their starter without a broken pipe.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface DetachedOptions {
  command: string;
  args: readonly string[];
  logFile: string;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The user to run as; this process's user by default. */
  user?: { uid: number; gid: number } | undefined;
  /** Called with the process id as soon as there is one, so that it can be written down. */
  onSpawn?: ((pid: number) => void) | undefined;
}

export interface DetachedProcess {
  pid: number;
  /** How it ended, in words: "exit code 1", "SIGKILL". */
  exited: Promise<string>;
  /** The same, once it has ended. */
  readonly ended: string | undefined;
  /** Sends one signal after the other, waits the time of each, and finally kills the whole group. */
  stop(...signals: readonly StopSignal[]): Promise<void>;
}

export interface StopSignal {
  signal: NodeJS.Signals;
  graceMs: number;
}

/** Resolves once the operating system runs it. Rejects when it cannot: a missing file, no permission. */
export async function startDetached(options: DetachedOptions): Promise<DetachedProcess> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  try {
    const child = spawn(options.command, options.args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: options.env ?? process.env,
      cwd: options.cwd,
      ...options.user,
    });
    const { promise: exited, resolve } = Promise.withResolvers<string>();
    let ended: string | undefined;
    child.once('exit', (code, signal) => resolve((ended = signal ?? `exit code ${code}`)));
    await once(child, 'spawn');
    const { pid } = child;
    if (pid === undefined) throw new Error(`${options.command} started without a process id`);
    options.onSpawn?.(pid);
    return {
      pid,
      exited,
      get ended() {
        return ended;
      },
      stop: async (...signals) => {
        if (ended === undefined) await stop(pid, exited, signals);
      },
    };
  } finally {
    closeSync(log);
  }
}

async function stop(pid: number, exited: Promise<string>, signals: readonly StopSignal[]): Promise<void> {
  for (const { signal, graceMs } of signals) {
    signalIfThere(pid, signal);
    if (await endsWithin(exited, graceMs)) return;
  }
  signalIfThere(-pid, 'SIGKILL');
  await exited;
}

async function endsWithin(exited: Promise<string>, ms: number): Promise<boolean> {
  const givenUp = new AbortController();
  try {
    return await Promise.race([
      exited.then(() => true),
      delay(ms, false, { signal: givenUp.signal }).catch(() => false),
    ]);
  } finally {
    givenUp.abort();
  }
}

/** @param target a process id, or a negative one for its group. */
export function signalIfThere(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
