/** Shows a log to a person who started a process in a terminal. */
import type { DestinationStream } from 'pino';

/** Readable lines for a terminal; undefined for anything else, which gets JSON. */
export async function openTerminal(): Promise<DestinationStream | undefined> {
  if (!process.stdout.isTTY) return undefined;
  // Loaded for a person alone: a process in production starts without it.
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    colorize: process.env['NO_COLOR'] === undefined,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    // The last words of a process that ends at once must be seen.
    sync: true,
  });
}
