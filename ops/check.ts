/**
 * `npm run check`: prints each rule of the design's section 4 and what breaks it; exit code 1 if anything does.
 * What belongs in ops/: commands for those who run Holdfast.
 */
import { defineCommand, runCommand } from '../cli/command.ts';
import { openPostgres } from '../db/postgres.ts';
import { RULES, type Breach } from '../db/rules/invariants.ts';
import { messageOf } from '../process/redaction.ts';
import { systemSettings, type SystemSettings } from '../settings.ts';
import { orderWorkflowsOf } from '../client/inspection.ts';
import { systemEnvironment } from './environment.ts';
import { checkDeadlines, checkWorkflowsOfOpenOrders } from './open-orders.ts';
import { reachTemporal } from './temporal.ts';

/** A rule reads whole tables: on a large database that takes its time. */
const SESSION = { statement_timeout: 300_000, lock_timeout: 1_000, default_transaction_read_only: true };
const BREACHES_SHOWN = 20;

interface Report {
  number: number;
  name: string;
  breaches: readonly Breach[];
}

const command = defineCommand({
  name: 'check',
  summary: 'Prints each rule that must hold in the database and in Temporal, and what breaks it.',
  failed: 'a rule is broken, or could not be checked',
});

await runCommand(command, async () => {
  const reports = await check(systemSettings(systemEnvironment(process.env)));
  for (const report of reports) print(report);
  const broken = reports.filter(({ breaches }) => breaches.length > 0).length;
  console.log(broken === 0 ? '\nEvery rule holds.' : `\n${broken} of ${reports.length} rules are broken.`);
  if (broken > 0) return 'failed';
});

async function check(settings: SystemSettings): Promise<Report[]> {
  const temporal = await reachTemporal(settings);
  const sql = openPostgres(settings.DATABASE_URL, { connections: 1, connectTimeoutS: 5, session: SESSION });
  try {
    // A database that cannot be had is no matter of its rules.
    await sql`select 1`;
    const workflows = orderWorkflowsOf(temporal.client, settings.TASK_QUEUE);
    const rules = [
      ...RULES.map((rule) => ({ ...rule, look: () => rule.breaches(sql) })),
      {
        number: 8,
        name: 'every open order has exactly one running workflow, the other way round, and no promised refund is lost',
        look: () => checkWorkflowsOfOpenOrders(sql, workflows),
      },
      { number: 11, name: 'no unpaid order waits past its deadline', look: () => checkDeadlines(sql) },
    ].toSorted((one, other) => one.number - other.number);
    const reports: Report[] = [];
    for (const { number, name, look } of rules)
      reports.push({ number, name, breaches: await breachesOrWhyNot(look) });
    return reports;
  } finally {
    await Promise.all([sql.end({ timeout: 5 }), temporal.close()]);
  }
}

/** A rule that cannot be checked does not hold as far as anybody knows, and says nothing about those behind it. */
async function breachesOrWhyNot(look: () => PromiseLike<readonly Breach[]>): Promise<readonly Breach[]> {
  try {
    return await look();
  } catch (error) {
    return [{ subject: 'the rule', finding: `could not be checked: ${messageOf(error)}` }];
  }
}

function print({ number, name, breaches }: Report): void {
  console.log(`${breaches.length === 0 ? '✓' : '✗'} ${number}. ${name}`);
  for (const { subject, finding } of breaches.slice(0, BREACHES_SHOWN))
    console.log(`    ${subject}: ${finding}`);
  if (breaches.length > BREACHES_SHOWN) console.log(`    … and ${breaches.length - BREACHES_SHOWN} more`);
}
