/**
 * `npm run reconcile [-- --repair]`: reconciles now, and prints what was found and done. Exit code 1 when something stays open.
 * With `--repair` it also sets counters to what they sum.
 */
import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { openDatabase } from '../db/connection.ts';
import { listFindings, type FindingRow } from '../db/reconcile/findings.ts';
import { runCommand } from '../cli/run-command.ts';
import { UserError } from '../cli/user-error.ts';
import { systemSettings, type SystemSettings } from '../settings.ts';
import { WORKFLOW, type ReconcileEnd, type ReconcileInput } from '../workflows/contract.ts';
import { systemEnvironment } from './environment.ts';
import { connectTemporal } from './temporal.ts';

const FINDINGS_SHOWN = 100;
/** Without a worker nothing would ever come of it. */
const LONGEST_RUN = '10 minutes';

await runCommand(async () => {
  const settings = systemSettings(systemEnvironment(process.env));
  const startedAt = new Date();
  const { looked, found, repaired } = await reconcile(settings, readArguments(process.argv.slice(2)));
  console.log(`${looked} looked at, ${found} wrong, ${repaired} of them repaired.`);
  const findings = await findingsOf(settings, startedAt);
  for (const finding of findings) print(finding);
  if (findings.some(({ state }) => state === 'open')) process.exitCode = 1;
});

function readArguments(args: string[]): ReconcileInput {
  try {
    const { values } = parseArgs({ args, options: { repair: { type: 'boolean', default: false } } });
    return { repairCounters: values.repair };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${reason}\nUsage: npm run reconcile -- [--repair]`);
  }
}

async function reconcile(
  { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TASK_QUEUE }: SystemSettings,
  input: ReconcileInput,
): Promise<ReconcileEnd> {
  const connection = await connectTemporal(TEMPORAL_ADDRESS, 'TEMPORAL_ADDRESS');
  try {
    const client = new Client({ connection, namespace: TEMPORAL_NAMESPACE });
    return await client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileEnd>>(
      WORKFLOW.reconcile,
      {
        workflowId: `${WORKFLOW.reconcile}-by-hand-${new Date().toISOString()}`,
        taskQueue: TASK_QUEUE,
        args: [input],
        workflowExecutionTimeout: LONGEST_RUN,
        staticSummary: input.repairCounters ? 'By hand, and sets counters' : 'By hand',
      },
    );
  } finally {
    await connection.close();
  }
}

/** Those that this run has seen, or another one at the same time. */
async function findingsOf({ DATABASE_URL }: SystemSettings, startedAt: Date): Promise<FindingRow[]> {
  const database = openDatabase(DATABASE_URL, { connections: 1, name: 'holdfast reconcile' });
  try {
    const newest = await listFindings(database, {}, { before: undefined, limit: FINDINGS_SHOWN });
    const open = await listFindings(
      database,
      { state: 'open' },
      { before: undefined, limit: FINDINGS_SHOWN },
    );
    const all = new Map([...newest, ...open].map((finding) => [finding.id, finding]));
    return [...all.values()].filter(({ lastSeen }) => lastSeen >= startedAt);
  } finally {
    await database.close();
  }
}

function print({ state, kind, subject, finding, done }: FindingRow): void {
  console.log(
    `${state === 'open' ? '✗' : '✓'} ${kind} ${subject}: ${finding}${done === null ? '' : ` — ${done}`}`,
  );
}
