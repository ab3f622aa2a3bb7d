/** The measure of everything else: a workflow that does nothing, started by the Temporal client with no API in between. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { followLog, parseLogLine } from '../../../dev/processes/log-lines.ts';
import { startServer } from '../../../dev/processes/server-process.ts';
import type { LabProcess } from '../../harness/process.ts';
import type { System } from '../../harness/system.ts';
import { nothing } from './nothing-workflow.ts';
import { timed, type Workload } from './workload.ts';

/** Of the workflows that do nothing. */
export const TASK_QUEUE = 'nothing';
const WORKER = fileURLToPath(new URL('./nothing-worker.ts', import.meta.url));
const READY_DEADLINE_MS = 60_000;
const SHUTDOWN = { signal: 'SIGTERM', graceMs: 15_000 } as const;

export function nothingWorkload(client: Client, worker: LabProcess): Workload {
  return {
    name: 'nothing',
    worker,
    async doOne() {
      const workflowId = `nothing-${randomUUID()}`;
      const { ms } = await timed(() =>
        client.workflow.execute(nothing, { workflowId, taskQueue: TASK_QUEUE }),
      );
      return { workflowId, waited: { result: ms }, retries: 0 };
    },
  };
}

/** Starts the worker of that workflow. Resolves when it takes tasks. */
export function startNothingWorker({ processes, environment }: System): Promise<LabProcess> {
  return processes.start('nothing-worker', (options) => {
    const newLines = followLog(options.logFile, 0);
    return startServer({
      ...options,
      name: 'The worker that does nothing',
      command: process.execPath,
      args: [WORKER],
      env: { ...environment, TASK_QUEUE },
      isReady: () => newLines().some((line) => parseLogLine(line)?.['msg'] === 'worker ready'),
      deadlineMs: READY_DEADLINE_MS,
      shutdown: [SHUTDOWN],
    });
  });
}
