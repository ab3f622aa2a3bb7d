/**
 * `npm run reconcile [-- --repair]`: reconciles now, and prints what was found and done. Exit code 1 when something stays open.
 * With `--repair` it also sets counters to what they sum.
 */
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { openDatabase } from '../db/connection.ts';
import { listFindings, type FindingRow } from '../db/findings.ts';
import { runCommand } from '../cli/run-command.ts';
import { UserError } from '../cli/user-error.ts';
import { messageOf } from '../process/redaction.ts';
import { systemSettings, type SystemSettings } from '../settings.ts';
import { LONGEST_RUN_MS } from '../domain/timeouts.ts';
import type { ReconcileEnd } from '../domain/rules.ts';
import { WORKFLOW, type ReconcileInput } from '../workflows/messages.ts';
import { systemEnvironment } from './environment.ts';
import { reachTemporal } from './temporal.ts';

const FINDINGS_SHOWN = 100;
const PAGE = 500;

await runCommand(async () => {
  const settings = systemSettings(systemEnvironment(process.env));
  const startedAt = new Date();
  const { looked, found, repaired } = await reconcile(settings, readArguments(process.argv.slice(2)));
  console.log(`${looked} looked at, ${found} wrong, ${repaired} of them repaired.`);
  const findings = await findingsOf(settings, startedAt);
  for (const finding of findings.slice(0, FINDINGS_SHOWN)) print(finding);
  if (findings.length > FINDINGS_SHOWN)
    console.log(`… and ${findings.length - FINDINGS_SHOWN} more: GET /v1/findings lists all of them.`);
  if (findings.some(({ state }) => state === 'open')) process.exitCode = 1;
});

function readArguments(args: string[]): ReconcileInput {
  try {
    const { values } = parseArgs({ args, options: { repair: { type: 'boolean', default: false } } });
    return { repairCounters: values.repair };
  } catch (error) {
    throw new UserError(`${messageOf(error)}\nUsage: npm run reconcile -- [--repair]`);
  }
}

async function reconcile(settings: SystemSettings, input: ReconcileInput): Promise<ReconcileEnd> {
  const { client, close } = await reachTemporal(settings);
  try {
    await refuseWithoutWorker(client, settings.TASK_QUEUE);
    return await client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileEnd>>(
      WORKFLOW.reconcile,
      {
        workflowId: `${WORKFLOW.reconcile}-by-hand-${new Date().toISOString()}`,
        taskQueue: settings.TASK_QUEUE,
        args: [input],
        workflowExecutionTimeout: LONGEST_RUN_MS,
        staticSummary: input.repairCounters ? 'By hand, and sets counters' : 'By hand',
      },
    );
  } finally {
    await close();
  }
}

/** Nothing would ever come of it. @throws {UserError} when no worker has asked for work lately. */
async function refuseWithoutWorker({ workflowService, options }: Client, taskQueue: string): Promise<void> {
  // Without a type, Temporal tells of tasks of workflows.
  const { pollers } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: taskQueue },
  });
  if (pollers.length === 0)
    throw new UserError(
      `No worker asks for work on the task queue ${taskQueue} (TASK_QUEUE): start one first.`,
    );
}

/** Those that this run has seen, or another one at the same time: what is open first. */
async function findingsOf({ DATABASE_URL }: SystemSettings, startedAt: Date): Promise<FindingRow[]> {
  const database = openDatabase(DATABASE_URL, { connections: 1, name: 'holdfast reconcile' });
  try {
    const seen: FindingRow[] = [];
    for (const state of ['open', 'repaired'] as const)
      for (let before: string | undefined; ;) {
        const page = await listFindings(database, { state }, { before, limit: PAGE });
        seen.push(...page.filter(({ lastSeen }) => lastSeen >= startedAt));
        before = page.at(-1)?.id;
        if (page.length < PAGE) break;
      }
    return seen;
  } finally {
    await database.close();
  }
}

function print({ state, kind, subject, finding, done }: FindingRow): void {
  console.log(
    `${state === 'open' ? '✗' : '✓'} ${kind} ${subject}: ${finding}${done === null ? '' : ` — ${done}`}`,
  );
}
