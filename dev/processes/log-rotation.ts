/** Keeps the log files of `npm start` small: a few earlier ones stay beside each, as `worker.log.1`, `worker.log.2`. */
import { copyFileSync, existsSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';

const LARGEST_BYTES = 10 * 1024 * 1024;
const EARLIER_KEPT = 3;
const CHECK_EVERY_MS = 10_000;

export interface RotationLimits {
  largestBytes?: number;
  earlierKept?: number;
}

const isTooLarge = (file: string, { largestBytes = LARGEST_BYTES }: RotationLimits): boolean =>
  existsSync(file) && statSync(file).size > largestBytes;

/** Before a process opens its log: nothing of it is lost. */
export function rotateClosedLog(file: string, limits: RotationLimits = {}): void {
  if (!isTooLarge(file, limits)) return;
  makeRoom(file, limits);
  renameSync(file, `${file}.1`);
}

/**
 * While a process writes its log, which it goes on doing where it is: so the file is copied and emptied. What is written in the moment
 * between is lost, which is why only a developer's logs are kept like this.
 */
export function rotateOpenLog(file: string, limits: RotationLimits = {}): void {
  if (!isTooLarge(file, limits)) return;
  makeRoom(file, limits);
  copyFileSync(file, `${file}.1`);
  // The process appends, so it writes from the beginning again.
  truncateSync(file);
}

function makeRoom(file: string, { earlierKept = EARLIER_KEPT }: RotationLimits): void {
  rmSync(`${file}.${earlierKept}`, { force: true });
  for (let number = earlierKept - 1; number >= 1; number--)
    if (existsSync(`${file}.${number}`)) renameSync(`${file}.${number}`, `${file}.${number + 1}`);
}

/** @param files are asked for at each look. Returns a function that ends it. */
export function keepLogsSmall(
  files: () => readonly string[],
  report: (error: unknown) => void,
  { checkEveryMs = CHECK_EVERY_MS, ...limits }: RotationLimits & { checkEveryMs?: number } = {},
): () => void {
  const timer = setInterval(() => {
    try {
      for (const file of files()) rotateOpenLog(file, limits);
    } catch (error) {
      report(error);
    }
  }, checkEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}
