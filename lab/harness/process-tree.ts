/** Processes with all their descendants: how much CPU time they have used, and signals to the whole tree. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { signalIfThere } from '../../dev/processes/detached.ts';

interface ProcessRow {
  pid: number;
  parent: number;
  /** CPU time, user and system. */
  ms: number;
}

/** Linux counts in hundredths of a second on every machine. */
const MS_PER_TICK = 10;

/**
 * Milliseconds of CPU time that each of these processes and its descendants have used. On Linux that includes children that
 * have ended; elsewhere their time is lost.
 */
export function cpuMsOf(pids: readonly number[]): number[] {
  const table = readTable();
  return pids.map((pid) => treeMs(table, pid));
}

/**
 * Signals a process and its descendants: PostgreSQL works in children outside its process group. The parent is stopped or
 * killed before its children are listed, so that it makes no more of them.
 */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  const before = childrenOf(readTable(), pid);
  signalIfThere(pid, signal);
  const children = [...before, ...childrenOf(readTable(), pid)].map((child) => child.pid);
  for (const child of new Set(children)) signalTree(child, signal);
}

function treeMs(table: readonly ProcessRow[], pid: number): number {
  const own = table.find((row) => row.pid === pid)?.ms ?? 0;
  return childrenOf(table, pid).reduce((total, child) => total + treeMs(table, child.pid), own);
}

const childrenOf = (table: readonly ProcessRow[], pid: number): ProcessRow[] =>
  table.filter(({ parent }) => parent === pid);

const readTable = (): ProcessRow[] => (existsSync('/proc/self/stat') ? readProc() : readPs());

function readProc(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readStat(Number(name)) ?? []);
}

function readStat(pid: number): ProcessRow | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // It has ended since.
  }
  // The second field is the program's name in brackets and may hold anything, so count from behind it.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0] = fields;
  // utime and stime, and both again for the children that it has waited for.
  const ticks = fields.slice(11, 15).reduce((total, value) => total + value, 0);
  return { pid, parent, ms: ticks * MS_PER_TICK };
}

function readPs(): ProcessRow[] {
  const lines = execFileSync('ps', ['-axo', 'pid=,ppid=,time='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid, parent, time = ''] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), ms: parseTime(time) };
  });
}

/** `[[days-]hours:]minutes:seconds[.hundredths]` */
function parseTime(time: string): number {
  const [clock = '', days = '0'] = time.split('-').toReversed();
  const seconds = clock.split(':').reduce((total, part) => total * 60 + Number(part), 0);
  return (Number(days) * 86_400 + seconds) * 1_000;
}
