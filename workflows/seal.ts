/**
 * Seals the audit: chains what was recorded since the last run. Runs on a schedule; two runs at once seal nothing twice. Its result is the
 * chain's head, so that Temporal keeps it where nobody who changes the database can change it. Each run is given the last one's result,
 * and finds out whether the chain still has that head.
 */
import { log, proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { SealActivities, SealedSome } from '../activities/audit.ts';
import { describeHead, expectedHead } from '../domain/audit-head.ts';
import { SEAL_FOR_MS } from '../domain/timeouts.ts';
import { WORKFLOW, type SealEnd } from './messages.ts';
import { recordEnd } from './run-end.ts';

const { compareHead, sealSome } = proxyActivities<SealActivities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

export async function seal(): Promise<SealEnd> {
  const { startTime, lastResult } = workflowInfo();
  const endsBy = Date.now() + SEAL_FOR_MS;
  let sealed = 0;
  let some: SealedSome;
  do {
    some = await sealSome.executeWithOptions({ summary: 'Number and chain what was recorded since' }, []);
    sealed += some.sealed;
    setCurrentDetails(`${sealed} rows sealed. The head of the audit is ${describeHead(some.head)}.`);
  } while (!some.isDone && Date.now() < endsBy);
  const { seq, hash } = some.head;
  // Logs hold it as well.
  if (sealed > 0) log.info('sealed the audit', { sealed, seq, hash });
  // Once this run's head is known: whatever is rewritten before it, this comparison finds, and what is rewritten later, the next run. A run
  // that somebody triggered is given no result.
  const missed = await compareHead.executeWithOptions(
    { summary: 'See whether the chain still has the last head' },
    [{ expected: expectedHead(lastResult), at: startTime.toISOString() }],
  );
  await recordEnd(WORKFLOW.seal);
  return { seq, hash, sealed, ...(missed && { missed }) };
}
