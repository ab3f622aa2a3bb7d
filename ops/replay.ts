/**
 * `npm run replay`: replays the workflows of a live server on the workflow code of this checkout: all that are open, and the newest
 * of those that have ended. Run it before a deployment: an order that does not replay would get stuck.
 */
import type { Client } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { defineCommand, runCommand } from '../cli/command.ts';
import { wholeNumber } from '../cli/values.ts';
import { messageOf } from '../process/redaction.ts';
import { replaySettings } from '../settings.ts';
import { workflowBundle } from '../worker/bundle.ts';
import { WORKFLOW } from '../workflows/messages.ts';
import { systemEnvironment } from './environment.ts';
import { reachTemporal } from './temporal.ts';

const FETCHED_AT_ONCE = 10;
/** Workflows that have ended, unless --limit says otherwise: a bad deployment can only stop open ones. */
const USUAL_LIMIT = 1_000;
const PAGE = 1_000;
const TYPES = Object.values(WORKFLOW)
  .map((type) => `'${type}'`)
  .join(', ');
const OPEN = `WorkflowType IN (${TYPES}) AND ExecutionStatus = 'Running'`;
const ENDED = `WorkflowType IN (${TYPES}) AND ExecutionStatus != 'Running'`;

const command = defineCommand({
  name: 'replay',
  summary:
    'Replays the workflows of a live server on the code of this checkout: all that are open, and the newest of those that have ended.',
  failed: 'a workflow does not fit this code, or the replay failed',
})
  .option('--address <host:port>', 'the Temporal server, instead of TEMPORAL_ADDRESS')
  .option('--namespace <name>', 'its namespace, instead of TEMPORAL_NAMESPACE')
  .option('--limit <count>', 'how many ended workflows to replay', wholeNumber(0, 999_999_999), USUAL_LIMIT);

await runCommand(command, async ({ address, namespace, limit }) => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const environment = systemEnvironment(process.env);
  const settings = replaySettings({
    ...environment,
    ...(address !== undefined && { TEMPORAL_ADDRESS: address }),
    ...(namespace !== undefined && { TEMPORAL_NAMESPACE: namespace }),
    // Replaying needs no database.
    DATABASE_URL: environment['DATABASE_URL'] ?? 'postgres://not-used',
  });
  const { client, close } = await reachTemporal(settings, 'TEMPORAL_ADDRESS or --address');
  try {
    const options = {
      workflowBundle: await workflowBundle(settings.WORKFLOW_BUNDLE),
      dataConverter: client.options.loadedDataConverter,
    };
    const open = await replay(client, options, { what: 'open', query: OPEN });
    const ended = await replay(client, options, { what: 'ended', query: ENDED, limit });
    report(settings.TEMPORAL_ADDRESS, open, ended);
    if (open.failed + ended.failed > 0) return 'failed';
  } finally {
    await close();
  }
});

interface Replayed {
  /** Workflows on the server. */
  all: number;
  replayed: number;
  failed: number;
}

async function replay(
  client: Client,
  options: ReplayWorkerOptions,
  { what, query, limit = Infinity }: { what: string; query: string; limit?: number },
): Promise<Replayed> {
  const { count } = await client.workflow.count(query);
  // Newest first.
  const histories = client.workflow
    .list({ query, pageSize: Math.max(1, Math.min(limit, PAGE)) })
    .intoHistories({ concurrency: FETCHED_AT_ONCE });
  const result = { replayed: 0, failed: 0 };
  for await (const { workflowId, error } of Worker.runReplayHistories(options, takeFirst(histories, limit))) {
    result.replayed += 1;
    if (!error) continue;
    result.failed += 1;
    console.log(`✗ ${workflowId} (${what}): ${messageOf(error)}`);
  }
  // Some may have begun or ended since the count.
  return { ...result, all: Math.max(count, result.replayed) };
}

function report(address: string, open: Replayed, ended: Replayed): void {
  const failed = open.failed + ended.failed;
  const both = { all: open.all + ended.all, replayed: open.replayed + ended.replayed };
  console.log(
    `${shareOf(both)} workflows of ${address} replayed (${shareOf(open)} open, ${shareOf(ended)} ended), ${failed} do not fit this code.`,
  );
  const left = ended.all - ended.replayed;
  if (left > 0)
    console.log(
      `The ${left.toLocaleString('en')} that ended longest ago were left out; --limit ${ended.all} takes all of them.`,
    );
}

function shareOf({ replayed, all }: Pick<Replayed, 'replayed' | 'all'>): string {
  return `${replayed.toLocaleString('en')} of ${all.toLocaleString('en')}`;
}

async function* takeFirst<T>(items: AsyncIterable<T>, limit: number): AsyncIterable<T> {
  let count = 0;
  if (limit <= 0) return;
  for await (const item of items) {
    yield item;
    count += 1;
    if (count >= limit) return;
  }
}
