import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { nothing } from './nothing-workflow.ts';
import { NOTHING_QUEUE, type System } from '../../harness/system.ts';
import { timed, type Workload } from './workload.ts';

/** The measure of everything else: a workflow that does nothing, started by the Temporal client without an API between. */
export function nothingWorkload(client: Client, { processes }: System): Workload {
  return {
    name: 'nothing',
    workerPid: processes.nothingWorker,
    async doOne() {
      const workflowId = `nothing-${randomUUID()}`;
      const { ms } = await timed(() =>
        client.workflow.execute(nothing, { workflowId, taskQueue: NOTHING_QUEUE }),
      );
      return { workflowId, waited: { result: ms }, retries: 0 };
    },
  };
}
