/** Checks every rule on the system that the settings name, and puts the outcome into lines. */
import { checkEveryRule } from '../activities/reconciliation/check.ts';
import { orderWorkflowsOf } from '../client/inspection.ts';
import { openDatabase } from '../db/connection.ts';
import { commandActor } from '../domain/audit.ts';
import type { RuleReport } from '../db/rules/rules.ts';
import type { SystemSettings } from '../settings.ts';
import { reachTemporal } from './temporal.ts';

const BREACHES_SHOWN = 20;

export async function checkSystem(settings: SystemSettings): Promise<RuleReport[]> {
  const temporal = await reachTemporal(settings);
  const database = openDatabase(settings.DATABASE_URL, {
    connections: 1,
    name: 'holdfast check',
    actor: commandActor('check'),
  });
  try {
    // A database that does not answer breaks no rule.
    await database.run(({ sql }) => sql`select 1`);
    return await checkEveryRule(database, orderWorkflowsOf(temporal.client, settings.TASK_QUEUE));
  } finally {
    await Promise.all([database.close(), temporal.close()]);
  }
}

export function describeReport({ rule, breaches }: RuleReport): string[] {
  const more = breaches.length - BREACHES_SHOWN;
  return [
    `${breaches.length === 0 ? '✓' : '✗'} ${rule.number}. ${rule.name}`,
    ...breaches.slice(0, BREACHES_SHOWN).map(({ subject, finding }) => `    ${subject}: ${finding}`),
    ...(more > 0 ? [`    … and ${more} more`] : []),
  ];
}
