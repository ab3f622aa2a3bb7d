/** How much processor time processes have used so far. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';

interface ProcessTime {
  pid: number;
  parent: number;
  ms: number;
}

/** Linux counts in hundredths of a second, whatever the machine. */
const MS_PER_TICK = 10;

/**
 * Milliseconds that each of these processes and all below it have used. On Linux that includes children that have ended;
 * elsewhere those are lost.
 */
export function cpuMsOf(pids: readonly number[]): number[] {
  const table = existsSync('/proc/self/stat') ? fromProc() : fromPs();
  return pids.map((pid) => treeMs(table, pid));
}

function treeMs(table: readonly ProcessTime[], pid: number): number {
  const own = table.find((process) => process.pid === pid)?.ms ?? 0;
  const children = table.filter((process) => process.parent === pid);
  return children.reduce((total, child) => total + treeMs(table, child.pid), own);
}

function fromProc(): ProcessTime[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readStat(Number(name)) ?? []);
}

function readStat(pid: number): ProcessTime | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // It ended meanwhile.
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

function fromPs(): ProcessTime[] {
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
