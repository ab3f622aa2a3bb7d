/**
 * `npm run replay -- [--address HOST:PORT] [--namespace NAME] [--limit N]`: replays the open and the recently ended
 * workflows of a live server on the workflow code of this checkout. Run it before a deployment: an order that does not
 * replay would get stuck. Exit code 1 if any does not.
 */
import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { runCommand } from '../cli/run-command.ts';
import { UserError } from '../cli/user-error.ts';
import { systemSettings } from '../settings.ts';
import { bundleWorkflows } from '../worker/worker.ts';
import { WORKFLOW } from '../workflows/contract.ts';
import { systemEnvironment } from './environment.ts';
import { connectTemporal } from './temporal.ts';

const FETCHED_AT_ONCE = 10;
const TYPES = Object.values(WORKFLOW)
  .map((type) => `'${type}'`)
  .join(', ');
/** Open ones first: those are the ones that a bad deployment would stop. */
const QUERIES = [
  { what: 'open', query: `WorkflowType IN (${TYPES}) AND ExecutionStatus = 'Running'` },
  { what: 'ended', query: `WorkflowType IN (${TYPES}) AND ExecutionStatus != 'Running'` },
] as const;

Runtime.install({ logger: new DefaultLogger('ERROR') });

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      address: { type: 'string' },
      namespace: { type: 'string' },
      limit: { type: 'string', default: '1000' },
    },
  });
  const environment = systemEnvironment(process.env);
  const { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE } = systemSettings({
    ...environment,
    ...(values.address !== undefined && { TEMPORAL_ADDRESS: values.address }),
    ...(values.namespace !== undefined && { TEMPORAL_NAMESPACE: values.namespace }),
    // Replaying needs no database.
    DATABASE_URL: environment['DATABASE_URL'] ?? 'postgres://not-used',
  });
  const limit = Number(values.limit);
  if (!Number.isInteger(limit) || limit < 1)
    throw new UserError('--limit takes a whole number of workflows, 1 or more.');

  const connection = await connectTemporal(TEMPORAL_ADDRESS, 'TEMPORAL_ADDRESS or --address');
  try {
    const { replayed, failed } = await replayAll(
      new Client({ connection, namespace: TEMPORAL_NAMESPACE }),
      limit,
    );
    console.log(`${replayed} workflows of ${TEMPORAL_ADDRESS} replayed, ${failed} do not fit this code.`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    await connection.close();
  }
});

async function replayAll(client: Client, limit: number): Promise<{ replayed: number; failed: number }> {
  const workflowBundle = await bundleWorkflows();
  let replayed = 0;
  let failed = 0;
  for (const { what, query } of QUERIES) {
    const histories = client.workflow
      .list({ query, pageSize: Math.min(limit, 1_000) })
      .intoHistories({ concurrency: FETCHED_AT_ONCE });
    const results = Worker.runReplayHistories({ workflowBundle }, firstOf(histories, limit - replayed));
    for await (const { workflowId, error } of results) {
      replayed += 1;
      if (!error) continue;
      failed += 1;
      console.log(`✗ ${workflowId} (${what}): ${error.message}`);
    }
  }
  return { replayed, failed };
}

async function* firstOf<T>(items: AsyncIterable<T>, limit: number): AsyncIterable<T> {
  let count = 0;
  if (limit <= 0) return;
  for await (const item of items) {
    yield item;
    count += 1;
    if (count >= limit) return;
  }
}
