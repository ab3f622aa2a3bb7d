/** Checks every rule on the system that the settings name, and puts the outcome into lines. */
import { Client } from '@temporalio/client';
import { checkEveryRule } from '../activities/reconciliation/check.ts';
import { orderWorkflowsOf } from '../client/inspection.ts';
import { openDatabase } from '../db/connection.ts';
import type { RuleReport } from '../db/rules/rules.ts';
import type { SystemSettings } from '../settings.ts';
import { connectTemporal } from './temporal.ts';

const BREACHES_SHOWN = 20;

export async function checkSystem({
  DATABASE_URL,
  TEMPORAL_ADDRESS,
  TEMPORAL_NAMESPACE,
  TASK_QUEUE,
}: SystemSettings): Promise<RuleReport[]> {
  const connection = await connectTemporal(TEMPORAL_ADDRESS, 'TEMPORAL_ADDRESS');
  const database = openDatabase(DATABASE_URL, { connections: 1, name: 'holdfast check' });
  try {
    // A database that does not answer breaks no rule.
    await database.run(({ sql }) => sql`select 1`);
    const client = new Client({ connection, namespace: TEMPORAL_NAMESPACE });
    return await checkEveryRule(database, orderWorkflowsOf(client, TASK_QUEUE));
  } finally {
    await Promise.all([database.close(), connection.close()]);
  }
}

export function linesOf({ rule, breaches }: RuleReport): string[] {
  const more = breaches.length - BREACHES_SHOWN;
  return [
    `${breaches.length === 0 ? '✓' : '✗'} ${rule.number}. ${rule.name}`,
    ...breaches.slice(0, BREACHES_SHOWN).map(({ subject, finding }) => `    ${subject}: ${finding}`),
    ...(more > 0 ? [`    … and ${more} more`] : []),
  ];
}
