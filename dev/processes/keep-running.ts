/** Keeps one server running: starts it again when it ends by itself, after a pause that grows if it keeps ending. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../process/redaction.ts';
import type { ServerProcess } from './server-process.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
/** A server that ran this long was healthy: its next end is a new problem, and the pause starts over. */
const WELL_AFTER_MS = 30_000;

export interface KeepOptions {
  /** Shown to people. */
  name: string;
  start: (signal: AbortSignal) => Promise<ServerProcess>;
  report: (line: string) => void;
}

export interface Kept {
  /** Stops it and starts it again, without a pause. */
  restart(): void;
  /** Stops it for good. */
  stop(): Promise<void>;
}

/** @param first the server as `start` returned it the first time. */
export function keepRunning(first: ServerProcess, { name, start, report }: KeepOptions): Kept {
  const stopping = new AbortController();
  let restarting = new AbortController();
  let server = first;
  let pause = FIRST_PAUSE_MS;

  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      const startedAt = Date.now();
      const how = await server.exited;
      if (Date.now() - startedAt > WELL_AFTER_MS) pause = FIRST_PAUSE_MS;
      if (!stopping.signal.aborted && !restarting.signal.aborted) {
        report(`${name} ended by itself (${how}). Restarting it in ${pause / 1_000} s.`);
      }
      await startAgain();
    }
  }

  async function startAgain(): Promise<void> {
    for (;;) {
      await rest();
      if (stopping.signal.aborted) return;
      try {
        server = await start(AbortSignal.any([stopping.signal, restarting.signal]));
        report(`${name} is running again.`);
        return;
      } catch (error) {
        if (stopping.signal.aborted || restarting.signal.aborted) continue;
        report(messageOf(error));
        report(`Restarting ${name} in ${pause / 1_000} s.`);
      }
    }
  }

  async function rest(): Promise<void> {
    const cutShort = AbortSignal.any([stopping.signal, restarting.signal]);
    await delay(pause, undefined, { signal: cutShort }).catch(() => {});
    pause = restarting.signal.aborted ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
    restarting = new AbortController();
  }

  const kept = keep();
  return {
    restart() {
      restarting.abort();
      void server.stop();
    },
    async stop() {
      stopping.abort();
      await server.stop();
      await kept;
    },
  };
}
