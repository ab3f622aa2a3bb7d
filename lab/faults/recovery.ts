/** After the faults: waits until nothing is open, and says what is although nothing is broken any more. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Load } from '../harness/load.ts';
import type { FaultSystem } from './fault-system.ts';
import type { Violation } from './figures.ts';
import { settle } from './open-work.ts';
import { untilAllNotified, wakePausingPayments } from './payments-at-rest.ts';
import { findStalled } from './stalled-orders.ts';

/** Everything may take this long to settle after the last fault was healed. */
export const PATIENCE_MS = 60_000;
/** The run watches for this much longer, to tell what is slow from what is stalled. */
export const MORE_PATIENCE_MS = 120_000;

type Observed = Pick<FaultSystem, 'sql' | 'client' | 'provider'>;

/** Resolves when every caller has its answer and nothing is open. */
export async function recover(
  { sql, client }: Observed,
  loads: readonly Load[],
  signal: AbortSignal,
): Promise<Violation[]> {
  const answered = Promise.all(loads.map(({ done }) => done)).then(() => true);
  const late = delay(PATIENCE_MS, false, { signal, ref: false });
  const violations: Violation[] = [];
  const startedAt = Date.now();
  await wakePausingPayments(client);
  if (!(await Promise.race([answered, late]))) {
    violations.push({
      rule: `every caller is answered ${PATIENCE_MS / 1_000} s after the last fault was healed`,
      subject: 'callers',
      finding: 'some still try',
    });
  }
  const left = Math.max(PATIENCE_MS - (Date.now() - startedAt), 0);
  await settle(sql, client, { patienceMs: left, signal });
  violations.push(...(await findStalled(sql, client, PATIENCE_MS)));
  if (violations.length > 0) {
    await Promise.race([answered, delay(MORE_PATIENCE_MS, false, { signal })]);
    await settle(sql, client, { patienceMs: MORE_PATIENCE_MS, signal });
  }
  return violations;
}

/** Resolves when nothing is open, and nothing that the provider still has to say opens anything again. */
export async function comeToRest({ sql, client, provider }: Observed, signal: AbortSignal): Promise<void> {
  const patience = { patienceMs: PATIENCE_MS, signal };
  await wakePausingPayments(client);
  await settle(sql, client, patience);
  await untilAllNotified(sql, provider, { patienceMs: MORE_PATIENCE_MS, signal });
  await settle(sql, client, patience);
}
