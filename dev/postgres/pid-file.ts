/** The file in which a running PostgreSQL writes its process id, for finding out whether it is ready or left over. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify } from '../../cli/process-identity.ts';
import { UserError } from '../../cli/user-error.ts';
import { signalIfThere, type StopSignal } from '../processes/detached.ts';

export interface PidFile {
  pid: number;
  startedAt: string | undefined;
  ready: boolean;
}

/** The server itself writes this file. Its last line says when it takes connections. */
export function readPidFile(dataFolder: string): PidFile | undefined {
  const file = join(dataFolder, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').split('\n');
  return { pid: Number(lines[0]), startedAt: lines[2], ready: lines[7]?.trim() === 'ready' };
}

/** Stops a server whose starter was killed: it still runs on the folder, and a second one could not start there. */
export async function stopLeftOver(dataFolder: string, shutdown: readonly StopSignal[]): Promise<void> {
  const pid = readPidFile(dataFolder)?.pid;
  if (pid === undefined || !isServerOf(dataFolder, pid)) return;
  for (const { signal, graceMs } of shutdown) {
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
