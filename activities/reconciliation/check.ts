/** Checks every rule on a live system, by the detectors that reconciliation runs. Changes nothing. */
import type { LongDatabase } from '../../db/connection.ts';
import { isTableKind } from '../../db/rules/detectors.ts';
import {
  RULES,
  orError,
  reportRules,
  type Outcome,
  type ProvingKind,
  type RuleReport,
} from '../../db/rules/rules.ts';
import type { OrderWorkflows } from '../../domain/order-workflows.ts';
import { detectInTemporal } from './detect-workflows.ts';
import { detectInTable } from './inspect-table.ts';

/** One detector after the other, so that orders keep their share of PostgreSQL and Temporal. */
export async function checkEveryRule(
  database: LongDatabase,
  workflows: OrderWorkflows,
): Promise<RuleReport[]> {
  const now = new Date().toISOString();
  const outcomes = new Map<ProvingKind, Outcome>();
  for (const kind of new Set(RULES.flatMap(({ provenBy }) => provenBy))) {
    const detected = isTableKind(kind)
      ? detectInTable(database, kind, now)
      : detectInTemporal(database, workflows, kind, now);
    outcomes.set(kind, await orError(detected));
  }
  return reportRules(RULES, outcomes);
}
