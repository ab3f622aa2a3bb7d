import { fileURLToPath } from 'node:url';
import { followLog, parseLogLine } from '../../../dev/processes/log-lines.ts';
import type { NodeServerOptions } from '../../../dev/processes/node-server.ts';
import { startServer, type ServerProcess } from '../../../dev/processes/server-process.ts';

const READY_DEADLINE_MS = 60_000;
const SHUTDOWN = { signal: 'SIGTERM', graceMs: 15_000 } as const;

/** Starts the worker of the workflow that does nothing. Resolves when it takes tasks. */
export function startNothingWorker(options: NodeServerOptions): Promise<ServerProcess> {
  const newLines = followLog(options.logFile, 0);
  return startServer({
    ...options,
    name: 'The worker that does nothing',
    command: process.execPath,
    args: [fileURLToPath(new URL('./nothing-worker.ts', import.meta.url))],
    isReady: () => newLines().some((line) => parseLogLine(line)?.['msg'] === 'worker ready'),
    deadlineMs: READY_DEADLINE_MS,
    shutdown: [SHUTDOWN],
  });
}
