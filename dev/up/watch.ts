/** What `npm run dev` adds: the servers restart when a source file changes, and the terminal shows their logs. */
import { existsSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { followLog, parseLogLine } from '../processes/log-lines.ts';

/** An editor that saves several files, or one file several times, causes one restart. */
const QUIET_MS = 200;
const LOG_POLL_MS = 150;

/** Calls `changed` once after each burst of changes to `.ts` and `.sql` files at these paths. Returns a function that ends it. */
export function watchSources(
  root: string,
  paths: readonly string[],
  changed: (file: string) => void,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const watchers = paths
    .map((path) => ({ path, full: join(root, path) }))
    .filter(({ full }) => existsSync(full))
    .map(({ path, full }) => {
      const isFolder = statSync(full).isDirectory();
      return watch(full, { recursive: isFolder }, (_event, name) => {
        if (name === null || !/\.(ts|sql)$/.test(name)) return;
        clearTimeout(timer);
        timer = setTimeout(() => changed(isFolder ? join(path, name) : path), QUIET_MS);
      });
    });
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

/** Shows what is appended to these log files from now on. Returns a function that ends it. */
export function showLogs(
  files: readonly { name: string; file: string }[],
  show: (line: string) => void,
): () => void {
  const logs = files.map(({ name, file }) => ({
    name,
    newLines: followLog(file, existsSync(file) ? statSync(file).size : 0),
  }));
  const showNew = (): void => {
    for (const { name, newLines } of logs)
      for (const line of newLines()) show(`${name.padEnd(10)} ${readable(line)}`);
  };
  const timer = setInterval(showNew, LOG_POLL_MS);
  return () => {
    clearInterval(timer);
    showNew();
  };
}

const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
/** Fields that are shown elsewhere, or are the same on every line of a process. */
const KNOWN = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg']);

/** Renders a JSON line as `level message key=value …`, and returns any other line unchanged. */
function readable(line: string): string {
  const entry = parseLogLine(line);
  if (entry === undefined) return line;
  const level = LEVELS[Number(entry['level'])] ?? '';
  const details = Object.entries(entry)
    .filter(([key]) => !KNOWN.has(key))
    .map(([key, value]) => `${key}=${asText(value)}`);
  return [level.padEnd(5), asText(entry['msg'] ?? ''), ...details].join(' ');
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
