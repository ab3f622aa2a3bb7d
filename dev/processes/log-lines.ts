/** Reads log files that other processes write. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 16_384;
const TAIL_LINES = 20;

/** The last lines, indented, for a message about the process that wrote them. Leaves out what was written before `from`. */
export function lastLogLines(file: string, from: number): string {
  const text = readFrom(file, (size) => Math.max(from > size ? 0 : from, size - TAIL_BYTES)).trimEnd();
  if (text === '') return '  (nothing)';
  return text
    .split('\n')
    .slice(-TAIL_LINES)
    .map((line) => `  ${line}`)
    .join('\n');
}

/** Returns a function that returns the lines completed since its last call. */
export function followLog(file: string, from: number): () => string[] {
  let position = from;
  return () => {
    const text = readFrom(file, (size) => {
      // It was emptied since: see log-rotation.ts.
      if (position > size) position = 0;
      return position;
    });
    const complete = text.slice(0, text.lastIndexOf('\n') + 1);
    position += Buffer.byteLength(complete);
    return complete.split('\n').slice(0, -1);
  };
}

/** Parses a line that is a JSON object, as our own processes write it. Undefined for any other. */
export function parseLogLine(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null ? { ...entry } : undefined;
  } catch {
    return undefined;
  }
}

function readFrom(file: string, startFor: (size: number) => number): string {
  let log: number;
  try {
    log = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(log);
    const start = startFor(size);
    const buffer = Buffer.alloc(Math.max(size - start, 0));
    const length = readSync(log, buffer, 0, buffer.length, start);
    return buffer.toString('utf8', 0, length);
  } finally {
    closeSync(log);
  }
}
