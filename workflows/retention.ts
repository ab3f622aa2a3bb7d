/**
 * Makes the months to come, and removes what is kept only for some time: months of events, audit and measurements that are old enough,
 * idempotency keys whose answer nobody will ask for again, and what webhooks were sent and payment providers sent. Runs on a schedule; two runs at once do nothing twice, and what a run that
 * is killed leaves behind is left to the next one.
 */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type {
  DroppedMonths,
  MadeMonths,
  RemovedSome,
  RemovedSomeDeliveries,
  RetentionActivities,
} from '../activities/retention.ts';
import { WORKFLOW, type RetentionEnd, type RetentionInput } from './messages.ts';
import { recordEnd } from './run-end.ts';
import { now } from './time.ts';

const { removeKeys, removeDeliveries, removeNotifications } = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});
/** A first run may have years of months to drop, and each takes seconds. */
const { makeMonths, dropMonths } = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '15 minutes',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** @param input missing in runs from before 0.7, which removed keys and nothing else. */
export async function retention(input?: RetentionInput): Promise<RetentionEnd> {
  if (input === undefined) {
    const { removedKeys } = await removeOldKeys([]);
    await recordEnd(WORKFLOW.retention);
    return { removedKeys };
  }
  // The same time for all of it.
  const at = now();
  const made = await makeMonths.executeWithOptions({ summary: 'Make the months to come' }, [{ at }]);
  const lines = describeMade(made);
  setCurrentDetails(lines.join('\n'));
  const dropped = await dropMonths.executeWithOptions(
    { summary: 'Drop the months that are kept no longer' },
    [{ at }],
  );
  lines.push(...describeDropped(dropped));
  setCurrentDetails(lines.join('\n'));
  const { removedKeys, line } = await removeOldKeys(lines, at);
  lines.push(line);
  const removedDeliveries = input.deliveries === true ? await removeOldDeliveries(lines, at) : undefined;
  const removedNotifications =
    input.notifications === true ? await removeOldNotifications(lines, at) : undefined;
  await recordEnd(WORKFLOW.retention);
  return {
    madeMonths: made.made.map(({ partition }) => partition),
    droppedMonths: dropped.dropped.map(({ partition }) => partition),
    removedKeys,
    ...(removedDeliveries !== undefined && { removedDeliveries }),
    ...(removedNotifications !== undefined && { removedNotifications }),
  };
}

/** Removes key by key what did not go with its month. */
async function removeOldKeys(
  lines: readonly string[],
  at?: string,
): Promise<{ removedKeys: number; line: string }> {
  let removedKeys = 0;
  let after: RemovedSome['next'] = null;
  for (;;) {
    const { removed, keptFor, next }: RemovedSome = await removeKeys.executeWithOptions(
      { summary: 'Remove old idempotency keys' },
      [
        {
          after,
          ...(at !== undefined && { at }),
        },
      ],
    );
    removedKeys += removed;
    const line = `${removedKeys} idempotency keys removed. They are kept for ${inDays(keptFor)} days.`;
    setCurrentDetails([...lines, line].join('\n'));
    if (next === null) return { removedKeys, line };
    after = next;
  }
}

async function removeOldDeliveries(lines: string[], at: string): Promise<number> {
  let removedDeliveries = 0;
  let allGivenUp = 0;
  let after: RemovedSomeDeliveries['next'] = null;
  for (;;) {
    const { removed, givenUp, keptFor, next }: RemovedSomeDeliveries =
      await removeDeliveries.executeWithOptions({ summary: 'Remove old deliveries of webhooks' }, [
        { after, at },
      ]);
    removedDeliveries += removed;
    allGivenUp += givenUp;
    const line = `${removedDeliveries} deliveries of webhooks removed, ${allGivenUp} that waited for too long given up. They are kept for ${inDays(keptFor)} days.`;
    setCurrentDetails([...lines, line].join('\n'));
    if (next === null) {
      lines.push(line);
      return removedDeliveries;
    }
    after = next;
  }
}

async function removeOldNotifications(lines: readonly string[], at: string): Promise<number> {
  for (let removedNotifications = 0; ;) {
    const { removed, keptFor, more } = await removeNotifications.executeWithOptions(
      { summary: 'Remove old notifications of payment providers' },
      [{ at }],
    );
    removedNotifications += removed;
    const line = `${removedNotifications} notifications of payment providers removed. They are kept for ${inDays(keptFor)} days.`;
    setCurrentDetails([...lines, line].join('\n'));
    if (!more) return removedNotifications;
  }
}

function describeMade({ made, busy }: MadeMonths): string[] {
  return [
    `${made.length} months made.`,
    ...made.map(
      ({ partition, moved }) =>
        `- ${partition}${moved > 0 ? `, with ${moved} rows that were there before it` : ''}`,
    ),
    ...busy.map((table) => `- ${table} was in use: the next run tries again`),
  ];
}

function describeDropped({ dropped, staying, busy, keptFor }: DroppedMonths): string[] {
  return [
    `${dropped.length} months dropped.`,
    ...dropped.map(({ partition, rows }) => `- ${partition}, with ${rows} rows`),
    ...staying.map((why) => `- ${why}`),
    ...busy.map((table) => `- ${table} was in use: the next run tries again`),
    ...Object.entries(keptFor).map(([table, ms]) => `Months of ${table} are kept for ${inDays(ms)} days.`),
  ];
}

const DAY_MS = 86_400_000;
const inDays = (ms: number): number => Math.round((10 * ms) / DAY_MS) / 10;
