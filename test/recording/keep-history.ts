/** Plays a path and keeps the history of its workflow as a file. */
import { writeFile } from 'node:fs/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { TestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import type { Path } from './paths.ts';

/** `process@host`; the name of a worker's own task queue begins with it, too. */
const WORKER_IDENTITY = /^\d+@/;

/** Resolves when the workflow has ended and its history is in the file. */
export async function keepHistory(system: TestSystem, play: Path, file: string): Promise<void> {
  const workflowId = await play(system);
  const handle = system.client.workflow.getHandle(workflowId);
  await until(`${workflowId} to end`, async () =>
    (await handle.describe()).status.name === 'RUNNING' ? undefined : true,
  );
  const history: unknown = JSON.parse(historyToJSON(await handle.fetchHistory()));
  await writeFile(file, `${JSON.stringify(withoutMachine(history), null, 1)}\n`);
}

/** Leaves out the host and the folders it was recorded on, which would change with every recording. */
function withoutMachine(value: unknown): unknown {
  if (typeof value === 'string') return WORKER_IDENTITY.test(value) ? 'recorded' : value;
  if (Array.isArray(value)) return value.map(withoutMachine);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'stackTrace')
      .map(([name, inner]) => [name, withoutMachine(inner)]),
  );
}
