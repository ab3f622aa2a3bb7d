/** How a process is asked to end. */
import { constants } from 'node:os';

/** Aborted at the first SIGTERM or SIGINT. A second one ends the process at once, for those who do not want to wait. */
export function stopSignal(onSecond: () => void): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (!stopping.signal.aborted) return stopping.abort();
      onSecond();
      process.exit(128 + constants.signals[signal]);
    });
  return stopping.signal;
}
