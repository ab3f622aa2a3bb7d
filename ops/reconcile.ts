/** `npm run reconcile`: reconciles now, and prints what was found and done. */
import type { Client } from '@temporalio/client';
import { listFindings, type FindingRow } from '../db/findings.ts';
import { defineCommand, runCommand } from '../cli/command.ts';
import { UserError } from '../cli/user-error.ts';
import { systemSettings, type SystemSettings } from '../settings.ts';
import { LONGEST_RUN_MS } from '../domain/timeouts.ts';
import type { ReconcileEnd } from '../domain/rules.ts';
import { WORKFLOW, type ReconcileInput } from '../workflows/messages.ts';
import { systemEnvironment } from './environment.ts';
import { reachTemporal } from './temporal.ts';
import { withDatabase } from './with-database.ts';

const FINDINGS_SHOWN = 100;
const PAGE = 500;

const command = defineCommand({
  name: 'reconcile',
  summary: 'Reconciles the database with itself and with Temporal now, and prints what was found and done.',
  failed: 'a finding stays open, or the run failed',
}).option('--repair', 'also set counters and figures to what they sum', false);

await runCommand(command, async ({ repair }) => {
  const settings = systemSettings(systemEnvironment(process.env));
  const startedAt = new Date();
  const { looked, found, repaired } = await reconcile(settings, { repairCounters: repair, payments: true });
  console.log(`${looked} inspected, ${found} wrong, ${repaired} of them repaired.`);
  const findings = await listSeenFindings(settings, startedAt);
  for (const finding of findings.slice(0, FINDINGS_SHOWN)) print(finding);
  if (findings.length > FINDINGS_SHOWN)
    console.log(`… and ${findings.length - FINDINGS_SHOWN} more: GET /v1/findings lists all of them.`);
  if (findings.some(({ state }) => state === 'open')) return 'failed';
});

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

/** @throws {UserError} when no worker has asked for work lately: the run would wait forever. */
async function refuseWithoutWorker({ workflowService, options }: Client, taskQueue: string): Promise<void> {
  // Without a type, Temporal describes the pollers of workflow tasks.
  const { pollers } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: taskQueue },
  });
  if (pollers.length === 0)
    throw new UserError(
      `No worker asks for work on the task queue ${taskQueue} (TASK_QUEUE): start one first.`,
    );
}

/** What this run, or another at the same time, has seen: open findings first. */
function listSeenFindings(settings: SystemSettings, startedAt: Date): Promise<FindingRow[]> {
  return withDatabase(settings, 'reconcile', async (database) => {
    const seen: FindingRow[] = [];
    for (const state of ['open', 'repaired'] as const)
      for (let before: string | undefined; ;) {
        const page = await listFindings(database, { state }, { before, limit: PAGE });
        seen.push(...page.filter(({ lastSeen }) => lastSeen >= startedAt));
        before = page.at(-1)?.id;
        if (page.length < PAGE) break;
      }
    return seen;
  });
}

function print({ state, kind, subject, finding, done }: FindingRow): void {
  console.log(
    `${state === 'open' ? '✗' : '✓'} ${kind} ${subject}: ${finding}${done === null ? '' : ` — ${done}`}`,
  );
}
