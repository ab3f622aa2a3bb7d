/**
 * `npm run replay -- [--address HOST:PORT] [--namespace NAME] [--limit N]`: replays the workflows of a live server on the workflow
 * code of this checkout: all that are open, and of those that have ended the newest N. Run it before a deployment: an order
 * that does not replay would get stuck. Exit code 1 if any does not.
 */
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { runCommand } from '../cli/run-command.ts';
import { UserError } from '../cli/user-error.ts';
import { messageOf } from '../process/redaction.ts';
import { systemSettings } from '../settings.ts';
import { bundleWorkflows } from '../worker/worker.ts';
import { WORKFLOW } from '../workflows/messages.ts';
import { systemEnvironment } from './environment.ts';
import { reachTemporal } from './temporal.ts';

const FETCHED_AT_ONCE = 10;
/** Of the workflows that have ended, unless --limit says otherwise: a bad deployment can only stop open ones. */
const USUAL_LIMIT = 1_000;
const PAGE = 1_000;
const USAGE = 'Usage: npm run replay -- [--address HOST:PORT] [--namespace NAME] [--limit N]';
const TYPES = Object.values(WORKFLOW)
  .map((type) => `'${type}'`)
  .join(', ');
const OPEN = `WorkflowType IN (${TYPES}) AND ExecutionStatus = 'Running'`;
const ENDED = `WorkflowType IN (${TYPES}) AND ExecutionStatus != 'Running'`;

Runtime.install({ logger: new DefaultLogger('ERROR') });

await runCommand(async () => {
  const { address, namespace, limit } = readArguments(process.argv.slice(2));
  const environment = systemEnvironment(process.env);
  const settings = systemSettings({
    ...environment,
    ...(address !== undefined && { TEMPORAL_ADDRESS: address }),
    ...(namespace !== undefined && { TEMPORAL_NAMESPACE: namespace }),
    // Replaying needs no database.
    DATABASE_URL: environment['DATABASE_URL'] ?? 'postgres://not-used',
  });
  const { client, close } = await reachTemporal(settings, 'TEMPORAL_ADDRESS or --address');
  try {
    const workflowBundle = await bundleWorkflows();
    const open = await replay(client, workflowBundle, { what: 'open', query: OPEN });
    const ended = await replay(client, workflowBundle, { what: 'ended', query: ENDED, limit });
    report(settings.TEMPORAL_ADDRESS, open, ended);
    if (open.failed + ended.failed > 0) process.exitCode = 1;
  } finally {
    await close();
  }
});

interface Arguments {
  address: string | undefined;
  namespace: string | undefined;
  limit: number;
}

function readArguments(args: string[]): Arguments {
  const { address, namespace, limit } = parse(args);
  const most = limit === undefined ? USUAL_LIMIT : Number(limit);
  if (!/^\d{1,9}$/.test(limit ?? '1'))
    throw new UserError(`--limit takes a whole number of workflows that have ended.\n${USAGE}`);
  return { address, namespace, limit: most };
}

function parse(args: string[]) {
  try {
    const text = { type: 'string' } as const;
    return parseArgs({ args, options: { address: text, namespace: text, limit: text } }).values;
  } catch (error) {
    throw new UserError(`${messageOf(error)}\n${USAGE}`);
  }
}

interface Replayed {
  /** How many the server has. */
  all: number;
  replayed: number;
  failed: number;
}

async function replay(
  client: Client,
  workflowBundle: WorkflowBundleWithSourceMap,
  { what, query, limit = Infinity }: { what: string; query: string; limit?: number },
): Promise<Replayed> {
  const { count } = await client.workflow.count(query);
  // Newest first.
  const histories = client.workflow
    .list({ query, pageSize: Math.max(1, Math.min(limit, PAGE)) })
    .intoHistories({ concurrency: FETCHED_AT_ONCE });
  const result = { replayed: 0, failed: 0 };
  for await (const { workflowId, error } of Worker.runReplayHistories(
    { workflowBundle },
    firstOf(histories, limit),
  )) {
    result.replayed += 1;
    if (!error) continue;
    result.failed += 1;
    console.log(`✗ ${workflowId} (${what}): ${messageOf(error)}`);
  }
  // Some may have begun or ended since they were counted.
  return { ...result, all: Math.max(count, result.replayed) };
}

function report(address: string, open: Replayed, ended: Replayed): void {
  const failed = open.failed + ended.failed;
  const both = { all: open.all + ended.all, replayed: open.replayed + ended.replayed };
  console.log(
    `${of(both)} workflows of ${address} replayed (${of(open)} open, ${of(ended)} ended), ${failed} do not fit this code.`,
  );
  const left = ended.all - ended.replayed;
  if (left > 0)
    console.log(
      `The ${left.toLocaleString('en')} that ended longest ago were left out; --limit ${ended.all} takes all of them.`,
    );
}

function of({ replayed, all }: Pick<Replayed, 'replayed' | 'all'>): string {
  return `${replayed.toLocaleString('en')} of ${all.toLocaleString('en')}`;
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
