/** Finds out whether a process id that was recorded earlier still belongs to the same process. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface ProcessIdentity {
  /** Differs between two processes that had the same id one after the other. */
  startedAt: string;
  commandLine: string;
}

/** Undefined when no such process runs. A process that ended and that its parent has not collected yet does not run. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    return existsSync('/proc/self/stat') ? fromProc(pid) : fromPs(pid);
  } catch {
    return undefined;
  }
}

function fromProc(pid: number): ProcessIdentity | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in brackets and may contain anything, so count from its end.
  const [state, ...later] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  return { startedAt: later[18] ?? '', commandLine };
}

function fromPs(pid: number): ProcessIdentity | undefined {
  const line = execFileSync('ps', ['-o', 'stat=,lstart=,command=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [, state, startedAt, commandLine] =
    /^\s*(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)/.exec(line) ?? [];
  if (state === undefined || startedAt === undefined || commandLine === undefined || state.startsWith('Z'))
    return undefined;
  return { startedAt, commandLine };
}
