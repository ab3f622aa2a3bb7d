/** Signals for a process and all below it: PostgreSQL works in children that are not in its process group. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { signalIfThere } from '../../dev/processes/detached.ts';

/** The parent is stopped or killed before its children are looked up, so that it makes no more of them. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  const before = childrenOf(pid);
  signalIfThere(pid, signal);
  for (const child of new Set([...before, ...childrenOf(pid)])) signalTree(child, signal);
}

function childrenOf(pid: number): number[] {
  return parents()
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child);
}

/** Each process with its parent. */
function parents(): (readonly [number, number])[] {
  return existsSync('/proc/self/stat') ? fromProc() : fromPs();
}

function fromProc(): (readonly [number, number])[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const);
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold anything, so count from behind it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0; // It ended meanwhile.
  }
}

function fromPs(): (readonly [number, number])[] {
  const lines = execFileSync('ps', ['-axo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    return [pid ?? 0, parent ?? 0] as const;
  });
}
