/** Checks every rule on the system that the settings name, and puts the outcome into lines. */
import { checkEveryRule } from '../activities/reconciliation/check.ts';
import { orderWorkflowsOf } from '../client/inspection.ts';
import type { RuleReport } from '../db/rules/rules.ts';
import type { SystemSettings } from '../settings.ts';
import { reachTemporal } from './temporal.ts';
import { withDatabase } from './with-database.ts';

const BREACHES_SHOWN = 20;

export async function checkSystem(settings: SystemSettings): Promise<RuleReport[]> {
  const temporal = await reachTemporal(settings);
  try {
    // A database that does not answer breaks no rule: then this fails.
    return await withDatabase(settings, 'check', (database) =>
      checkEveryRule(database, orderWorkflowsOf(temporal.client, settings.TASK_QUEUE)),
    );
  } finally {
    await temporal.close();
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
