/**
 * `npm run check`: prints each rule of the design's section 4 and what breaks it; exit code 1 if anything does.
 * What belongs in ops/: commands for those who run Holdfast.
 */
import { Client } from '@temporalio/client';
import postgres from 'postgres';
import { checkRules, type Breach } from '../db/invariants.ts';
import { runCommand } from '../cli/run-command.ts';
import { systemSettings, type SystemSettings } from '../settings.ts';
import { orderWorkflowsOf } from '../worker/order-workflows.ts';
import { systemEnvironment } from './environment.ts';
import { checkDeadlines, checkWorkflowsOfOpenOrders } from './open-orders.ts';
import { connectTemporal } from './temporal.ts';

/** A rule reads whole tables: on a large database that takes its time. */
const SESSION = { statement_timeout: 300_000, lock_timeout: 1_000, default_transaction_read_only: true };
const BREACHES_SHOWN = 20;

interface Report {
  number: number;
  name: string;
  breaches: readonly Breach[];
}

await runCommand(async () => {
  const reports = await check(systemSettings(systemEnvironment(process.env)));
  for (const report of reports) print(report);
  const broken = reports.filter(({ breaches }) => breaches.length > 0).length;
  console.log(broken === 0 ? '\nEvery rule holds.' : `\n${broken} of ${reports.length} rules are broken.`);
  if (broken > 0) process.exitCode = 1;
});

async function check({
  DATABASE_URL,
  TEMPORAL_ADDRESS,
  TEMPORAL_NAMESPACE,
  TASK_QUEUE,
}: SystemSettings): Promise<Report[]> {
  const connection = await connectTemporal(TEMPORAL_ADDRESS, 'TEMPORAL_ADDRESS');
  const sql = postgres(DATABASE_URL, {
    max: 1,
    connect_timeout: 5,
    connection: SESSION,
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  try {
    const client = new Client({ connection, namespace: TEMPORAL_NAMESPACE });
    const ofDatabase = (await checkRules(sql)).map(({ rule: { number, name }, breaches }) => ({
      number,
      name,
      breaches,
    }));
    const ofWorkflows: Report[] = [
      {
        number: 8,
        name: 'every open order has exactly one running workflow, and the other way round',
        breaches: await checkWorkflowsOfOpenOrders(sql, orderWorkflowsOf(client, TASK_QUEUE)),
      },
      { number: 11, name: 'no unpaid order waits past its deadline', breaches: await checkDeadlines(sql) },
    ];
    return [...ofDatabase, ...ofWorkflows].sort((one, other) => one.number - other.number);
  } finally {
    await Promise.all([sql.end({ timeout: 5 }), connection.close()]);
  }
}

function print({ number, name, breaches }: Report): void {
  console.log(`${breaches.length === 0 ? '✓' : '✗'} ${number}. ${name}`);
  for (const { subject, finding } of breaches.slice(0, BREACHES_SHOWN))
    console.log(`    ${subject}: ${finding}`);
  if (breaches.length > BREACHES_SHOWN) console.log(`    … and ${breaches.length - BREACHES_SHOWN} more`);
}
